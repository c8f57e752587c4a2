/// One JSON value. Numbers written without fraction and exponent are kept as integers, so that nothing is
/// rounded on the way through.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    package subscript(index: Int) -> JSONValue? {
        guard case .array(let items) = self, items.indices.contains(index) else { return nil }
        return items[index]
    }

    package var stringValue: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    package var boolValue: Bool? {
        guard case .bool(let flag) = self else { return nil }
        return flag
    }

    /// This value as an integer; 4.0 counts as one.
    package var intValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    /// Of an answer, where a number may be anything: nil for what is not whole, negative, or too large to calculate with.
    package var amountValue: Int? {
        guard let number = intValue, (0...OutsideNumber.largest).contains(number) else { return nil }
        return number
    }

    package var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    package var arrayValue: [JSONValue]? {
        guard case .array(let items) = self else { return nil }
        return items
    }

    package var objectValue: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// The kind of value, as a person would call it.
    package var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "a record"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(nilLiteral: ()) { self = .null }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}

/// A type that has exactly one JSON form.
package protocol JSONEncodable {
    var json: JSONValue { get }
}

extension String: JSONEncodable { package var json: JSONValue { .string(self) } }
extension Int: JSONEncodable { package var json: JSONValue { .integer(self) } }
extension Double: JSONEncodable { package var json: JSONValue { .number(self) } }
extension Bool: JSONEncodable { package var json: JSONValue { .bool(self) } }
extension Array: JSONEncodable where Element: JSONEncodable {
    package var json: JSONValue { .array(map(\.json)) }
}
extension Optional: JSONEncodable where Wrapped: JSONEncodable {
    package var json: JSONValue { self?.json ?? .null }
}
extension Dictionary: JSONEncodable where Key == String, Value: JSONEncodable {
    package var json: JSONValue { .object(mapValues(\.json)) }
}
