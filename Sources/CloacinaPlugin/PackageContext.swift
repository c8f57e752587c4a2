/// The JSON object that goes from task to task.
public struct PackageContext: Sendable, Equatable {
    /// Keys are told apart by their bytes, as in JSON: for `String` itself, two spellings of one letter are equal.
    struct MemberKey: Hashable, Comparable, Sendable {
        let text: String

        static func == (one: MemberKey, other: MemberKey) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

        static func < (one: MemberKey, other: MemberKey) -> Bool {
            one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
        }

        func hash(into hasher: inout Hasher) {
            for byte in text.utf8 { hasher.combine(byte) }
            hasher.combine(UInt8(0xFF))
        }
    }

    private(set) var members: [MemberKey: ContextValue] = [:]

    public init() {}

    /// Setting nil takes the member out; `.null` is a value.
    public subscript(_ key: String) -> ContextValue? {
        get { members[MemberKey(text: key)] }
        set { members[MemberKey(text: key)] = newValue }
    }

    /// Sorted by their bytes.
    public var keys: [String] { members.keys.sorted().map(\.text) }
}

extension PackageContext: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, ContextValue)...) {
        for (key, value) in elements { self[key] = value }
    }
}

/// A value of the context. Literals can be written as they are: `context["rows"] = [1, 2, 3]`.
public enum ContextValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    /// A whole number that is too large for `integer`.
    case unsigned(UInt)
    /// JSON has no infinite numbers and no NaN: these are written as null.
    case double(Double)
    case string(String)
    case array([ContextValue])
    case object(PackageContext)

    public var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [ContextValue]? { if case .array(let value) = self { value } else { nil } }
    public var object: PackageContext? { if case .object(let value) = self { value } else { nil } }

    /// Any number, whole ones too.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

extension ContextValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: ContextValue...) { self = .array(elements) }

    public init(dictionaryLiteral elements: (String, ContextValue)...) {
        var object = PackageContext()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}
