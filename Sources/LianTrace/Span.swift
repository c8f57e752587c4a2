import LianModel

/// A stretch of time in a trace, and its form in OTLP's JSON: ids in hex, moments as texts of nanoseconds, kinds and
/// codes as numbers.
struct Span: Sendable {
    let id: String
    /// nil for the first span of a trace.
    var parent: String?
    var name: String
    /// Milliseconds since 1970.
    var start: Int
    var end: Int
    /// Those that are null are left out.
    var attributes: [String: JSONValue] = [:]
    /// Why it went wrong; nil where it did not.
    var failure: String?
    /// What happened within it, and when.
    var events: [(name: String, at: Int)] = []

    init(id: String = TraceContext.newSpanID(), below parent: String?, _ name: String, from start: Int, to end: Int) {
        self.id = id
        self.parent = parent
        self.name = name
        self.start = start
        self.end = max(start, end)
    }

    /// SPAN_KIND_INTERNAL and STATUS_CODE_ERROR.
    private static let (internalKind, errorCode) = (1, 2)

    func json(in traceID: String) -> JSONValue {
        var members: [String: JSONValue] = [
            "traceId": .string(traceID), "spanId": .string(id), "name": .string(name),
            "kind": .integer(Self.internalKind), "startTimeUnixNano": nanoseconds(start),
            "endTimeUnixNano": nanoseconds(end), "attributes": attributeList(attributes),
        ]
        if let parent { members["parentSpanId"] = .string(parent) }
        if let failure { members["status"] = ["code": .integer(Self.errorCode), "message": .string(failure)] }
        if !events.isEmpty {
            members["events"] = .array(
                events.map { ["name": .string($0.name), "timeUnixNano": nanoseconds($0.at)] })
        }
        return .object(members)
    }
}

/// One request of OTLP's: spans of one service.
func exportRequest(_ spans: [Span], traceID: String, resource: [String: String]) -> JSONValue {
    [
        "resourceSpans": [
            [
                "resource": ["attributes": attributeList(resource.mapValues(JSONValue.string))],
                "scopeSpans": [
                    [
                        "scope": ["name": "lian-build", "version": .string(lianBuildVersion)],
                        "spans": .array(spans.map { $0.json(in: traceID) }),
                    ]
                ],
            ]
        ]
    ]
}

/// As text: JSON's numbers are too short for nanoseconds.
private func nanoseconds(_ milliseconds: Int) -> JSONValue {
    .string(milliseconds <= 0 ? "0" : "\(milliseconds)000000")
}

private func attributeList(_ attributes: [String: JSONValue]) -> JSONValue {
    let known = attributes.sorted { $0.key < $1.key }.compactMap { key, value in
        attributeValue(value).map { (key, $0) }
    }
    return .array(known.map { ["key": .string($0.0), "value": $0.1] })
}

private func attributeValue(_ value: JSONValue) -> JSONValue? {
    switch value {
    case .string: ["stringValue": value]
    case .bool: ["boolValue": value]
    // Whole numbers of 64 bits are texts too.
    case .integer(let number): ["intValue": .string("\(number)")]
    case .number(let number): number.isFinite ? ["doubleValue": value] : nil
    case .array(let items): ["arrayValue": ["values": .array(items.compactMap(attributeValue))]]
    case .null, .object: nil
    }
}
