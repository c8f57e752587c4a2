import Foundation
import LianModel

/// One line of a table of documents: a base, what is set in it or taken out of it, and where it is wrong if it is.
package struct ContractCase: Sendable, CustomStringConvertible {
    package let kind: String
    package let name: String
    /// The path of what is wrong; nil where the document is good.
    package let badPath: String?
    /// What the error has to say.
    package let says: String?
    /// Nickel that is merged into the base, for what JSON cannot say.
    package let nickel: String?
    private let changes: [(path: String, value: JSONValue?)]

    package var description: String { "\(kind): \(name)" }

    package static func table(_ file: String) throws -> [ContractCase] {
        let text = try String(contentsOf: Project.root.appending(path: "Tests/Fixtures/\(file)"), encoding: .utf8)
        return try text.split(separator: "\n").map { try ContractCase(JSONNode(.parse(String($0)))) }
    }

    private init(_ node: JSONNode) throws {
        var record = try node.record()
        kind = try record.required("of").string()
        name = try record.required("case").string()
        badPath = try record.optional("bad")?.string()
        says = try record.optional("says")?.string()
        nickel = try record.optional("nickel")?.string()
        var changes: [(String, JSONValue?)] = []
        for (path, node) in try record.optional("set")?.members() ?? [] { changes.append((path, node.value)) }
        for node in try record.optional("unset")?.items() ?? [] { changes.append((try node.string(), nil)) }
        self.changes = changes
        try record.close()
    }

    package func document(from base: JSONValue) -> JSONValue {
        changes.reduce(base) { document, change in
            document.replacing(Self.steps(change.path)[...], with: change.value)
        }
    }

    private static func steps(_ path: String) -> [Substring] {
        path.split { $0 == "." || $0 == "[" || $0 == "]" }
    }
}

extension JSONValue {
    /// The value with what stands at the path replaced, or taken out; records on the way are made.
    fileprivate func replacing(_ path: ArraySlice<Substring>, with new: JSONValue?) -> JSONValue {
        guard let step = path.first else { return new ?? .null }
        if let index = Int(step), case .array(var items) = self {
            items[index] = items[index].replacing(path.dropFirst(), with: new)
            return .array(items)
        }
        var members = objectValue ?? [:]
        if path.count == 1, new == Optional.none {
            members.removeValue(forKey: String(step))
        } else {
            members[String(step)] = (members[String(step)] ?? [:]).replacing(path.dropFirst(), with: new)
        }
        return .object(members)
    }
}
