/// What is wrong with a value: where it is, which rule it breaks, and what was found there.
package struct SchemaViolation: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let rule: String
    /// The value as it was found, shortened; nil where there was none or where it may be a secret.
    package let found: String?
    /// The known name that is nearest to what was found.
    package let nearest: String?

    package init(path: String, rule: String, found: String? = nil, nearest: String? = nil) {
        self.path = path
        self.rule = rule
        self.found = found
        self.nearest = nearest
    }

    package var description: String {
        let place = path.isEmpty ? "the document" : path
        return "\(place): \(rule)" + (found.map { ", found \($0)" } ?? "")
            + (nearest.map { "; did you mean '\($0)'?" } ?? "")
    }
}

/// A value together with the path that leads to it, so that errors can name the place.
package struct JSONNode: Sendable {
    package let value: JSONValue
    package let path: String
    private let isSecret: Bool

    package init(_ value: JSONValue, path: String = "") {
        self.init(value, path: path, isSecret: false)
    }

    fileprivate init(_ value: JSONValue, path: String, isSecret: Bool) {
        self.value = value
        self.path = path
        self.isSecret = isSecret
    }

    /// The same node, marked so that no error shows its value or anything inside it.
    package func secret() -> JSONNode {
        JSONNode(value, path: path, isSecret: true)
    }

    package func violation(_ rule: String, nearest: String? = nil) -> SchemaViolation {
        SchemaViolation(path: path, rule: rule, found: isSecret ? nil : shownValue, nearest: nearest)
    }

    /// For a value of a wrong kind: of a list or a record too it is said that it is one.
    private func wrongKind(_ rule: String) -> SchemaViolation {
        SchemaViolation(path: path, rule: rule, found: isSecret ? nil : shownValue ?? value.kindName)
    }

    private var shownValue: String? {
        switch value {
        // A list or a record may hold secrets further down.
        case .array, .object: return nil
        case .string(let text):
            // An address may have a user and a password before its last '@'.
            let safe = text.unicodeScalars.lastIndex(of: "@").map { "…\(text[$0...])" } ?? text
            let quoted = JSONValue.string(safe).encoded()
            return quoted.count > 80 ? String(quoted.prefix(77)) + "…" : quoted
        case .null, .bool, .integer, .number: return value.encoded()
        }
    }

    package func string() throws(SchemaViolation) -> String {
        guard let text = value.stringValue else { throw wrongKind("must be a string") }
        return text
    }

    package func bool() throws(SchemaViolation) -> Bool {
        guard let flag = value.boolValue else { throw wrongKind("must be true or false") }
        return flag
    }

    package func integer(in range: ClosedRange<Int>) throws(SchemaViolation) -> Int {
        guard value.doubleValue != nil else { throw wrongKind("must be a number") }
        guard let number = value.intValue, range.contains(number) else {
            throw violation("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func number(in range: ClosedRange<Double>) throws(SchemaViolation) -> Double {
        guard let number = value.doubleValue else { throw wrongKind("must be a number") }
        guard range.contains(number) else {
            throw violation("must be from \(range.lowerBound.json.encoded()) to \(range.upperBound.json.encoded())")
        }
        return number
    }

    package func items() throws(SchemaViolation) -> [JSONNode] {
        guard let items = value.arrayValue else { throw wrongKind("must be a list") }
        return items.enumerated().map { JSONNode($1, path: "\(path)[\($0)]", isSecret: isSecret) }
    }

    /// The members, sorted by name, so that the same input always fails at the same place.
    package func members() throws(SchemaViolation) -> [(name: String, node: JSONNode)] {
        guard let members = value.objectValue else { throw wrongKind("must be a record") }
        return members.keys.sorted().map {
            ($0, JSONNode(members[$0] ?? .null, path: childPath($0), isSecret: isSecret))
        }
    }

    /// `like` shows one, where a person may think that a word is enough.
    package func record(like example: String? = nil) throws(SchemaViolation) -> RecordReader {
        guard let members = value.objectValue else {
            throw wrongKind("must be a record" + (example.map { " like \($0)" } ?? ""))
        }
        return RecordReader(members: members, path: path, isSecret: isSecret)
    }

    /// The path of a member. A name with unusual characters is quoted and its control characters are escaped, because
    /// paths are printed.
    func childPath(_ name: String) -> String {
        let isPlain =
            !name.isEmpty && name.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "_-./:".utf8.contains($0) }
        let step = isPlain ? name : JSONValue.string(name).encoded()
        return path.isEmpty ? step : "\(path).\(step)"
    }
}

/// Reads a record's fields by name and notes which ones were asked for; any other field is unknown.
package struct RecordReader {
    private let members: [String: JSONValue]
    private let path: String
    private let isSecret: Bool
    private var known: [String] = []

    fileprivate init(members: [String: JSONValue], path: String, isSecret: Bool) {
        self.members = members
        self.path = path
        self.isSecret = isSecret
    }

    package mutating func required(_ name: String) throws(SchemaViolation) -> JSONNode {
        guard let node = try optional(name) else {
            throw SchemaViolation(path: JSONNode(.null, path: path).childPath(name), rule: "is required")
        }
        return node
    }

    /// The field, or nil where it is absent. null does not count as absent: it is refused unless the contract allows
    /// it.
    package mutating func optional(_ name: String, nullable: Bool = false) throws(SchemaViolation) -> JSONNode? {
        known.append(name)
        guard let value = members[name] else { return nil }
        let node = JSONNode(value, path: JSONNode(.null, path: path).childPath(name), isSecret: isSecret)
        if value == .null {
            guard nullable else { throw SchemaViolation(path: node.path, rule: Self.nullRule) }
            return nil
        }
        return node
    }

    static let nullRule = "must not be null; leave the field out"
    package static let unknownRule = "is not a field of this record"

    /// Refuses a field that nobody asked for, and says which record further down has it, or suggests the known name
    /// nearest to it.
    package func close(whereBelongs: (String) -> String? = { _ in nil }) throws(SchemaViolation) {
        guard let unknown = members.keys.sorted().first(where: { !known.contains($0) }) else { return }
        let place = JSONNode(.null, path: path).childPath(unknown)
        if let owner = whereBelongs(unknown) {
            throw SchemaViolation(path: place, rule: "\(Self.unknownRule); it is a field of \(owner)")
        }
        // Sorted as in the schemas, so that both suggest the same name.
        throw SchemaViolation(
            path: place, rule: Self.unknownRule, nearest: nearestName(to: unknown, among: known.sorted()))
    }
}
