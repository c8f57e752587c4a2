import Foundation
import LianModel
import LianTestSupport

/// What an API's owner says of the operations in use: which requests it takes, and what its answers are.
/// scripts/lib/api-table holds the table against the whole of what the owner says.
struct APITable: Sendable {
    struct Operation: Sendable {
        let place: String
        /// The parts of the path that stand for something.
        let parameters: [String]
        let rules: JSONValue
        var status: Int { rules["status"]?.intValue ?? 200 }
    }

    private let operations: [String: JSONValue]
    private let schemas: [String: JSONValue]

    init(_ fixture: String) throws {
        let file = Project.root.appending(path: "Tests/Fixtures/\(fixture)").path
        let json = try JSONValue.parse(Array(try Data(contentsOf: URL(filePath: file))))
        operations = json["operations"]?.objectValue ?? [:]
        schemas = json["schemas"]?.objectValue ?? [:]
    }

    /// The operation that the request asks for; nil where the API has none of it.
    func operation(_ method: String, _ path: String) -> Operation? {
        let given = path.split(separator: "/").map { String($0) }
        for (place, rules) in operations {
            let words = place.split(separator: " ")
            let pattern = words[1].split(separator: "/")
            guard words[0] == method, pattern.count == given.count,
                zip(pattern, given).allSatisfy({ $0.hasPrefix("{") || $0 == $1 })
            else { continue }
            let parameters = zip(pattern, given).filter { $0.0.hasPrefix("{") }.map(\.1)
            return Operation(place: place, parameters: parameters, rules: rules)
        }
        return nil
    }

    /// What a request breaks; nil where it is as the API takes it.
    func problem(with query: [String: String], _ body: JSONValue?, for operation: Operation) -> String? {
        let known = operation.rules["query"]?.objectValue ?? [:]
        for (name, text) in query {
            guard let schema = known[name] else { return "the query has an unknown '\(name)'" }
            let number = schema["type"] == "integer" ? Int(text) : nil
            let value = number.map { JSONValue.integer($0) } ?? .string(text)
            if let problem = problem(with: value, as: schema, at: name) { return problem }
        }
        guard let schema = operation.rules["body"] else { return body == nil ? nil : "a body is not taken" }
        return problem(with: body ?? [:], as: schema, at: "")
    }

    /// What an answer breaks.
    func problem(withAnswer answer: JSONValue, to operation: Operation) -> String? {
        operation.rules["answer"].flatMap { problem(with: answer, as: $0, at: "") }
    }

    func problem(withError answer: JSONValue) -> String? {
        problem(with: answer, as: ["$ref": "error_response"], at: "")
    }

    private func problem(with value: JSONValue, as schema: JSONValue, at place: String) -> String? {
        if value == .null, schema["nullable"] == true { return nil }
        if let name = schema["$ref"]?.stringValue {
            guard let schema = schemas[name] else { return "the table lacks \(name)" }
            return problem(with: value, as: schema, at: place)
        }
        for part in schema["allOf"]?.arrayValue ?? [] {
            if let problem = problem(with: value, as: part, at: place) { return problem }
        }
        for key in ["oneOf", "anyOf"] {
            guard let options = schema[key]?.arrayValue else { continue }
            guard options.contains(where: { problem(with: value, as: $0, at: place) == nil }) else {
                return "\(place) is none of what it may be"
            }
        }
        if let choices = schema["enum"]?.arrayValue, !choices.contains(value) {
            return "\(place) is not one of its words"
        }
        switch schema["type"]?.stringValue {
        case "object"?: return problem(withRecord: value, as: schema, at: place)
        case "array"?:
            guard let items = value.arrayValue else { return "\(place) is no list" }
            for (index, item) in items.enumerated() {
                guard let problem = problem(with: item, as: schema["items"] ?? [:], at: "\(place)[\(index)]") else {
                    continue
                }
                return problem
            }
        case "string"?:
            guard let text = value.stringValue else { return "\(place) is no text" }
            if let pattern = schema["pattern"]?.stringValue, text.range(of: pattern, options: .regularExpression) == nil
            {
                return "\(place) has not the form \(pattern)"
            }
            if let longest = schema["maxLength"]?.intValue, text.count > longest { return "\(place) is too long" }
        case "integer"?:
            guard let number = value.intValue else { return "\(place) is no whole number" }
            if let highest = schema["maximum"]?.intValue, number > highest { return "\(place) is too large" }
            if let lowest = schema["minimum"]?.intValue, number < lowest { return "\(place) is too small" }
        case "number"?: if value.doubleValue == nil { return "\(place) is no number" }
        case "boolean"?: if value.boolValue == nil { return "\(place) is neither true nor false" }
        default: break
        }
        return nil
    }

    /// As Proxmox calls all of a kind: "net[n]".
    private static func numbered(_ name: String) -> String {
        var kind = name
        while let last = kind.last, last.isNumber { kind.removeLast() }
        return "\(kind)[n]"
    }

    private func problem(withRecord value: JSONValue, as schema: JSONValue, at place: String) -> String? {
        guard let members = value.objectValue else { return "\(place) is no record" }
        for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where members[name] == nil {
            return "\(place) lacks '\(name)'"
        }
        let known = schema["properties"]?.objectValue ?? [:]
        let further = schema["additionalProperties"]
        // A record of which nothing is said may hold anything.
        let isOpen = known.isEmpty && further == nil
        for (name, member) in members {
            guard let rule = known[name] ?? known[Self.numbered(name)] ?? further else {
                if isOpen { continue }
                return "\(place) has an unknown '\(name)'"
            }
            if let problem = problem(with: member, as: rule, at: "\(place).\(name)") { return problem }
        }
        return nil
    }
}
