/// A value of a TOML 1.0 document.
package enum TOMLValue: Equatable, Sendable {
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time or both, as the author wrote it: a day that exists, a time that exists.
    case dateTime(String)
    case array([TOMLValue])
    case table(TOMLTable)
}

/// A table of a TOML document.
package struct TOMLTable: Equatable, Sendable {
    private var members = MembersInOrder<TOMLValue>()

    package init() {}

    /// In the author's order; keys that were added come last.
    package var keys: [String] { members.keys }

    package subscript(key: String) -> TOMLValue? {
        get { members[key] }
        set { members[key] = newValue }
    }
}

/// Why a text is not TOML, and where. It repeats nothing of the text, which may hold a secret.
package struct TOMLError: Error, Equatable, Sendable {
    package let message: String
    package let line: Int
    /// In characters, from 1 on.
    package let column: Int
}

/// Members by key, in the order in which they came. Keys are told apart by their bytes, as TOML has it: for Swift, an
/// "é" of one and of two scalars are the same text.
struct MembersInOrder<Member> {
    private(set) var keys: [String] = []
    private var members: [[UInt8]: Member] = [:]

    subscript(key: String) -> Member? {
        get { members[Array(key.utf8)] }
        set {
            let bytes = Array(key.utf8)
            let before = members[bytes]
            members[bytes] = newValue
            if before == nil, newValue != nil { keys.append(key) }
            if before != nil, newValue == nil { keys.removeAll { $0.utf8.elementsEqual(key.utf8) } }
        }
    }
}

extension MembersInOrder: Equatable where Member: Equatable {}
extension MembersInOrder: Sendable where Member: Sendable {}
