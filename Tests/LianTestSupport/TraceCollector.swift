import LianModel

/// A collector of OpenTelemetry's that takes traces by OTLP over HTTP in JSON, and looks whether they keep its rules.
package final class TraceCollector: Sendable {
    package let server: ScriptedHTTPServer

    private static let path = "/v1/traces"

    /// It takes what comes, unless it is told otherwise.
    package init(_ replies: [ScriptedHTTPServer.Reply] = [.json(200, [:])]) throws {
        server = try ScriptedHTTPServer()
        server.on("POST", Self.path, replies)
    }

    package func stop() { server.stop() }

    /// Leads a build here, and has it wait however long it takes.
    package var environment: [String: String] {
        ["OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000"]
    }

    package var requests: [ScriptedHTTPServer.Request] { server.requests("POST", Self.path) }

    /// The spans of all requests; throws where one breaks a rule of OTLP's.
    package func spans() throws -> [TracedSpan] {
        try requests.flatMap { request in
            guard request.headers["content-type"] == "application/json" else {
                throw FixtureError("not JSON: \(request.headers)")
            }
            return try TracedSpan.all(in: JSONValue.parse(request.body))
        }
    }
}

package func withTraceCollector(
    _ replies: [ScriptedHTTPServer.Reply] = [.json(200, [:])], _ body: (TraceCollector) async throws -> Void
) async throws {
    let collector = try TraceCollector(replies)
    defer { collector.stop() }
    try await body(collector)
}

/// A span as a collector reads it.
package struct TracedSpan: Sendable {
    package let traceID: String
    package let id: String
    package let parent: String?
    package let name: String
    /// Nanoseconds since 1970.
    package let start: UInt64
    package let end: UInt64
    package let attributes: [String: JSONValue]
    /// Of the service that the span comes from.
    package let resource: [String: JSONValue]
    /// Why it went wrong; nil where it did not.
    package let failure: String?
    package let events: [String]

    /// The spans of a request. Fields of other names than OTLP's, ids that are not in hex, whole numbers of 64 bits that
    /// are not texts: each is an error here, where a collector may be more patient.
    package static func all(in request: JSONValue) throws -> [TracedSpan] {
        try list(request, only: "resourceSpans").flatMap { group in
            try expect(group, holdsOnly: ["resource", "scopeSpans"])
            let resource = try attributes(group["resource"]?["attributes"])
            return try (group["scopeSpans"]?.arrayValue ?? []).flatMap { scope in
                try expect(scope, holdsOnly: ["scope", "spans"])
                try expect(scope["scope"] ?? .null, holdsOnly: ["name", "version"])
                return try (scope["spans"]?.arrayValue ?? []).map { try TracedSpan($0, of: resource) }
            }
        }
    }

    private init(_ span: JSONValue, of resource: [String: JSONValue]) throws {
        try Self.expect(
            span,
            holdsOnly: [
                "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
                "attributes", "status", "events",
            ])
        traceID = try Self.id(span["traceId"], digits: 32)
        id = try Self.id(span["spanId"], digits: 16)
        parent = try span["parentSpanId"].map { try Self.id($0, digits: 16) }
        name = try Self.text(span["name"])
        start = try Self.moment(span["startTimeUnixNano"])
        end = try Self.moment(span["endTimeUnixNano"])
        attributes = try Self.attributes(span["attributes"])
        self.resource = resource
        let status = span["status"]
        try Self.expect(status ?? [:], holdsOnly: ["code", "message"])
        failure = status?["message"]?.stringValue
        events = try (span["events"]?.arrayValue ?? []).map { event in
            try Self.expect(event, holdsOnly: ["name", "timeUnixNano"])
            _ = try Self.moment(event["timeUnixNano"])
            return try Self.text(event["name"])
        }
        guard start <= end, span["kind"] == .integer(1), status == nil || status?["code"] == .integer(2) else {
            throw FixtureError("no span of OTLP's: \(span.encoded())")
        }
    }

    private static func list(_ value: JSONValue, only key: String) throws -> [JSONValue] {
        try expect(value, holdsOnly: [key])
        guard let items = value[key]?.arrayValue else { throw FixtureError("no \(key): \(value.encoded())") }
        return items
    }

    private static func expect(_ value: JSONValue, holdsOnly keys: Set<String>) throws {
        guard let members = value.objectValue, keys.isSuperset(of: members.keys) else {
            throw FixtureError("more than \(keys.sorted()): \(value.encoded())")
        }
    }

    private static func text(_ value: JSONValue?) throws -> String {
        guard let text = value?.stringValue, !text.isEmpty else { throw FixtureError("no text: \(value ?? .null)") }
        return text
    }

    private static func id(_ value: JSONValue?, digits: Int) throws -> String {
        let text = try text(value)
        guard text.count == digits, bytes(ofHexadecimal: text)?.contains(where: { $0 != 0 }) == true else {
            throw FixtureError("no id of \(digits) digits: \(text)")
        }
        return text
    }

    private static func moment(_ value: JSONValue?) throws -> UInt64 {
        guard let number = UInt64(try text(value)) else { throw FixtureError("no moment: \(value ?? .null)") }
        return number
    }

    private static func attributes(_ value: JSONValue?) throws -> [String: JSONValue] {
        let pairs = try (value?.arrayValue ?? []).map { pair in
            try expect(pair, holdsOnly: ["key", "value"])
            return (try text(pair["key"]), try plain(pair["value"]))
        }
        return try Dictionary(pairs) { _, _ in throw FixtureError("an attribute is there twice: \(pairs)") }
    }

    private static func plain(_ value: JSONValue?) throws -> JSONValue {
        guard let (kind, held) = value?.objectValue?.first, value?.objectValue?.count == 1 else {
            throw FixtureError("no value of an attribute: \(value ?? .null)")
        }
        switch (kind, held) {
        case ("stringValue", .string), ("boolValue", .bool), ("doubleValue", .number), ("doubleValue", .integer):
            return held
        case ("intValue", .string(let text)):
            if let number = Int(text) { return .integer(number) }
        case ("arrayValue", _):
            return .array(try list(held, only: "values").map(plain))
        default: break
        }
        throw FixtureError("no value of an attribute: \(kind) \(held.encoded())")
    }
}
