import LianHTTP
import LianModel

/// Where traces go, as OpenTelemetry's environment variables say it to every program.
struct TraceSettings: Sendable {
    let server: HTTPURL
    /// What follows the server's own path.
    let target: String
    let headers: [String: String]
    let authorities: TrustedAuthorities?
    /// How long one request may take.
    let timeout: Duration
    /// What all spans have in common: the name of the service, and what the caller adds.
    let resource: [String: String]
    let context: TraceContext
    /// Hides the values of the headers, which are keys more often than not.
    let mask: SecretMask

    /// Why no trace is sent although the environment asks for one.
    struct Unusable: Error, Equatable, Sendable {
        let reason: String
    }

    /// nil where no trace is asked for.
    static func read(_ environment: [String: String]) throws(Unusable) -> TraceSettings? {
        let variables = Variables(environment)
        guard let endpoint = variables.endpoint, !variables.isOff else { return nil }
        // A trace that the caller does not keep has no use for our part of it.
        let parent = variables["TRACEPARENT"].flatMap(TraceParent.init)
        guard parent?.isSampled != false else { return nil }
        if let (name, form) = variables.ofTraces("PROTOCOL"), form.lowercased() != "http/json" {
            throw Unusable(
                reason: "\(name) is \(onOneLine(form)), and traces are sent by http/json alone: "
                    + "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json says so for them")
        }
        return try TraceSettings(variables, endpoint: endpoint, context: TraceContext(below: parent))
    }

    private init(
        _ variables: Variables, endpoint: (name: String, value: String), context: TraceContext
    ) throws(Unusable) {
        do {
            server = try HTTPURL(endpoint.value)
        } catch {
            throw Unusable(reason: "\(endpoint.name) \(error.rule), like http://localhost:4318")
        }
        // The variable for traces alone has the whole URL, the one for everything only where the paths begin.
        target = endpoint.name == Variables.tracesEndpoint ? (server.path.isEmpty ? "/" : "") : "/v1/traces"
        headers = try Self.headers(variables.ofTraces("HEADERS"))
        // The word before a key, like Bearer, may be left away by whoever repeats it.
        mask = SecretMask(headers.values.flatMap { [$0] + $0.split(separator: " ").map(String.init) })
        authorities = try Self.authorities(variables.ofTraces("CERTIFICATE"))
        timeout = try Self.timeout(variables.ofTraces("TIMEOUT"))
        resource = variables.resource
        self.context = context
    }

    /// A build waits so long for its collector, and no longer.
    private static let usualTimeout: Duration = .seconds(1)

    private static func headers(_ variable: (name: String, value: String)?) throws(Unusable) -> [String: String] {
        guard let variable else { return [:] }
        guard let pairs = pairs(variable.value), pairs.allSatisfy({ isHeader($0.key, $0.value) }) else {
            throw Unusable(
                reason: "\(variable.name) must be NAME=VALUE,NAME=VALUE with the values percent-encoded, "
                    + "like x-api-key=abc")
        }
        return Dictionary(pairs, uniquingKeysWith: { _, last in last })
    }

    private static func isHeader(_ name: String, _ value: String) -> Bool {
        name.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
            && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    private static func authorities(
        _ variable: (name: String, value: String)?
    ) throws(Unusable) -> TrustedAuthorities? {
        guard let variable else { return nil }
        do {
            return try TrustedAuthorities(file: variable.value)
        } catch {
            throw Unusable(reason: "\(variable.name): \(variable.value) \(error.reason)")
        }
    }

    private static func timeout(_ variable: (name: String, value: String)?) throws(Unusable) -> Duration {
        guard let variable else { return usualTimeout }
        guard let milliseconds = OutsideNumber.whole(variable.value, in: 1...600_000) else {
            throw Unusable(reason: "\(variable.name) must be milliseconds from 1 to 600000, like 1000")
        }
        return .milliseconds(milliseconds)
    }

    /// `NAME=VALUE,NAME=VALUE`, percent-encoded; nil where a part of it is not that.
    fileprivate static func pairs(_ text: String) -> [(key: String, value: String)]? {
        var pairs: [(key: String, value: String)] = []
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(withoutSpaces)
            guard sides.count == 2, let key = percentDecoded(sides[0]), let value = percentDecoded(sides[1]),
                !key.isEmpty
            else { return nil }
            pairs.append((key, value))
        }
        return pairs
    }

    private static func withoutSpaces(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}

/// The variables of OpenTelemetry's; an empty one is the same as none.
private struct Variables {
    private let values: [String: String]

    static let tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

    init(_ environment: [String: String]) {
        values = environment.filter { !$0.value.isEmpty }
    }

    subscript(name: String) -> String? { values[name] }

    /// A setting of the exporter's: the variable for traces beats the one for everything.
    func ofTraces(_ setting: String) -> (name: String, value: String)? {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_\(setting)", "OTEL_EXPORTER_OTLP_\(setting)"]
        return names.lazy.compactMap { name in values[name].map { (name, $0) } }.first
    }

    var endpoint: (name: String, value: String)? { ofTraces("ENDPOINT") }

    var isOff: Bool {
        let exporters = values["OTEL_TRACES_EXPORTER"].map { $0.split(separator: ",").map { $0.lowercased() } }
        return values["OTEL_SDK_DISABLED"]?.lowercased() == "true" || exporters?.contains("otlp") == false
    }

    /// Attributes of which one cannot be read are left out together, as every program of OpenTelemetry's does.
    var resource: [String: String] {
        let given = values["OTEL_RESOURCE_ATTRIBUTES"].flatMap(TraceSettings.pairs) ?? []
        var all = ["service.name": "lian-build", "service.version": lianBuildVersion]
        all.merge(given) { $1 }
        if let name = values["OTEL_SERVICE_NAME"] { all["service.name"] = name }
        return all
    }
}
