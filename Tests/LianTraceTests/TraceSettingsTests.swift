import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianTrace

@Suite struct TraceSettingsTests {
    private static let traceID = "0af7651916cd43dd8448eb211c80319c"
    private static let spanID = "b7ad6b7169203331"

    private func read(_ environment: [String: String]) throws -> TraceSettings? {
        try TraceSettings.read(["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.example:4318"].merging(environment) { $1 })
    }

    @Test(arguments: [
        [:], ["OTEL_EXPORTER_OTLP_ENDPOINT": ""],
        ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.example", "OTEL_SDK_DISABLED": "True"],
        ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.example", "OTEL_TRACES_EXPORTER": "none"],
        ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.example", "OTEL_TRACES_EXPORTER": "console,zipkin"],
        // Whose caller keeps nothing of its trace.
        ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.example", "TRACEPARENT": "00-\(traceID)-\(spanID)-00"],
    ])
    func noTraceIsAskedFor(_ environment: [String: String]) throws {
        #expect(try TraceSettings.read(environment) == nil)
    }

    @Test(arguments: [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c.example", "http://c.example:80/v1/traces"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example/otlp/", "https://c.example:443/otlp/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t.example:9/mine", "http://t.example:9/mine"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t.example:9", "http://t.example:9/"),
    ])
    func whereItGoes(name: String, value: String, place: String) throws {
        let settings = try #require(try read([name: value]))
        #expect(settings.server.description + settings.target == place)
    }

    @Test func whatTracesHaveOfTheirOwnBeatsTheRest() throws {
        let settings = try #require(
            try read([
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
                "OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-key=a%20b , y=c=d",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "7", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2000",
            ]))
        #expect(settings.headers == ["x-key": "a b", "y": "c=d"] && settings.timeout == .seconds(2))
        #expect(try read([:])?.timeout == .seconds(1))
    }

    @Test func theService() throws {
        #expect(try read([:])?.resource == ["service.name": "lian-build", "service.version": lianBuildVersion])
        let attributes = "service.name=ci,deployment.environment=a%2Cb"
        #expect(try read(["OTEL_RESOURCE_ATTRIBUTES": attributes])?.resource["service.name"] == "ci")
        let named = try read(["OTEL_RESOURCE_ATTRIBUTES": attributes, "OTEL_SERVICE_NAME": "images"])?.resource
        #expect(named?["service.name"] == "images" && named?["deployment.environment"] == "a,b")
        // One that cannot be read takes the others with it, as the standard says.
        #expect(try read(["OTEL_RESOURCE_ATTRIBUTES": "a=b,c"])?.resource["a"] == nil)
    }

    @Test(arguments: [
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "c.example:4318"], "OTEL_EXPORTER_OTLP_ENDPOINT must start with http://"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:hunter22@c.example"], "must hold no user name and no password"),
        (["OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"], "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and"),
        (["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"], "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is http/prot"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "hunter22"], "OTEL_EXPORTER_OTLP_HEADERS must be NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "a b=hunter22"], "must be NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "a=hunter22%0D%0Ab: c"], "must be NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "a=hunter22%2"], "must be NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0"], "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT must be milliseconds"),
        (["OTEL_EXPORTER_OTLP_TIMEOUT": "10s"], "OTEL_EXPORTER_OTLP_TIMEOUT must be milliseconds"),
        (["OTEL_EXPORTER_OTLP_CERTIFICATE": "/none.pem"], "OTEL_EXPORTER_OTLP_CERTIFICATE: /none.pem cannot be read"),
    ])
    func whatCannotBeUsed(_ environment: [String: String], reason: String) {
        let error = #expect(throws: TraceSettings.Unusable.self) { try read(environment) }
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        #expect(error?.reason.contains("hunter22") == false)
    }

    @Test func theCallersSpan() throws {
        let context = try #require(try read(["TRACEPARENT": "00-\(Self.traceID)-\(Self.spanID)-01"])?.context)
        #expect(context.traceID == Self.traceID && context.parentID == Self.spanID)
        #expect(context.parentForOthers == "00-\(Self.traceID)-\(context.spanID)-01")
        #expect(TraceParent(context.parentForOthers)?.spanID == context.spanID)
        // A later version may say more.
        #expect(TraceParent("cc-\(Self.traceID)-\(Self.spanID)-03-what.is.new")?.isSampled == true)
    }

    @Test(arguments: [
        "", "00", "00-\(traceID)-\(spanID)", "00-\(traceID)-\(spanID)-01-more", "ff-\(traceID)-\(spanID)-01",
        "00-\(traceID.uppercased())-\(spanID)-01", "00-\(traceID.dropLast())-\(spanID)-01",
        "00-00000000000000000000000000000000-\(spanID)-01", "00-\(traceID)-0000000000000000-01",
        "00-\(traceID)-\(spanID)-1", "00-\(traceID)-\(spanID)-0g", "0-\(traceID)-\(spanID)-01",
        " 00-\(traceID)-\(spanID)-01",
    ])
    func whatIsNoSpanOfACallersIsIgnored(text: String) throws {
        #expect(TraceParent(text) == nil)
        let context = try #require(try read(["TRACEPARENT": text])?.context)
        #expect(context.parentID == nil && context.traceID != Self.traceID && context.traceID.count == 32)
    }
}
