import LianModel

/// The attributes of functions in a Rust source, as far as they tell of triggers. Comments and strings are known from
/// code; nothing else of the language is.
struct RustAttributes {
    private enum Token: Equatable {
        case word(String)
        case string(String)
        case sign(UInt8)
    }

    private struct Attribute {
        let name: String
        let arguments: ArraySlice<Token>
        /// Of the function below it.
        let function: String?
    }

    private let attributes: [Attribute]

    init(_ source: [UInt8]) {
        attributes = Self.attributes(in: Self.tokens(of: source))
    }

    /// Names of triggers that go by the clock: as they name themselves, else as their function is called.
    var cronTriggers: [String] {
        attributes.filter { $0.name == "trigger" && Self.value("cron", in: $0.arguments) != nil }
            .compactMap { Self.value("name", in: $0.arguments) ?? $0.function }
    }

    /// Names of triggers to which workflows subscribe.
    var subscribedTriggers: Set<String> {
        Set(attributes.filter { $0.name == "workflow" }.flatMap { Self.list("triggers", in: $0.arguments) })
    }

    private static func value(_ key: String, in arguments: ArraySlice<Token>) -> String? {
        for index in arguments.indices.dropLast(2)
        where arguments[index] == .word(key) && arguments[index + 1] == .sign(UInt8(ascii: "=")) {
            if case .string(let text) = arguments[index + 2] { return text }
        }
        return nil
    }

    private static func list(_ key: String, in arguments: ArraySlice<Token>) -> [String] {
        for index in arguments.indices.dropLast(2)
        where arguments[index] == .word(key) && arguments[index + 1] == .sign(UInt8(ascii: "=")) {
            return arguments[(index + 2)...].prefix { $0 != .sign(UInt8(ascii: "]")) }.compactMap {
                if case .string(let text) = $0 { text } else { nil }
            }
        }
        return []
    }

    /// `#[NAME(…)]` and `#[path::NAME(…)]`.
    private static func attributes(in tokens: [Token]) -> [Attribute] {
        var found: [Attribute] = []
        // For each token the name of the next function, itself included.
        var following: [String?] = []
        var name: String?
        for index in tokens.indices.reversed() {
            if tokens[index] == .word("fn") {
                if index + 1 < tokens.count, case .word(let word) = tokens[index + 1] {
                    name = word
                } else {
                    name = nil
                }
            }
            following.append(name)
        }
        var index = 0
        while index + 1 < tokens.count {
            guard tokens[index] == .sign(UInt8(ascii: "#")), tokens[index + 1] == .sign(UInt8(ascii: "[")) else {
                index += 1
                continue
            }
            var name = ""
            var position = index + 2
            while position < tokens.count {
                if case .word(let word) = tokens[position] {
                    name = word
                } else if tokens[position] != .sign(0x3A) {
                    break
                }
                position += 1
            }
            index = position
            guard position < tokens.count, tokens[position] == .sign(UInt8(ascii: "(")) else { continue }
            var depth = 0
            var end = position
            while end < tokens.count {
                if tokens[end] == .sign(UInt8(ascii: "(")) { depth += 1 }
                if tokens[end] == .sign(UInt8(ascii: ")")) { depth -= 1 }
                if depth == 0 { break }
                end += 1
            }
            found.append(
                Attribute(
                    name: name, arguments: tokens[position..<end],
                    function: end < tokens.count ? following[tokens.count - 1 - end] : nil))
            index = end
        }
        return found
    }

    private static func tokens(of source: [UInt8]) -> [Token] {
        var tokens: [Token] = []
        var rest = source[...]
        while let byte = rest.first {
            if rest.starts(with: "//".utf8) {
                rest = rest.drop { $0 != 0x0A }
            } else if rest.starts(with: "/*".utf8) {
                skipComment(&rest)
            } else if byte == UInt8(ascii: "\"") {
                tokens.append(.string(takeString(&rest)))
            } else if Identifier.isAlphanumeric(byte) || byte == UInt8(ascii: "_") {
                let word = rest.prefix { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
                rest = rest.dropFirst(word.count)
                tokens.append(.word(String(decoding: word, as: UTF8.self)))
            } else {
                if byte > 0x20 { tokens.append(.sign(byte)) }
                rest = rest.dropFirst()
            }
        }
        return tokens
    }

    /// They may lie in each other.
    private static func skipComment(_ rest: inout ArraySlice<UInt8>) {
        var depth = 0
        repeat {
            if rest.starts(with: "/*".utf8) {
                depth += 1
                rest = rest.dropFirst(2)
            } else if rest.starts(with: "*/".utf8) {
                depth -= 1
                rest = rest.dropFirst(2)
            } else {
                rest = rest.dropFirst()
            }
        } while depth > 0 && !rest.isEmpty
    }

    private static func takeString(_ rest: inout ArraySlice<UInt8>) -> String {
        rest = rest.dropFirst()
        var text: [UInt8] = []
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") {
                if let escaped = rest.popFirst() { text.append(escaped) }
            } else {
                text.append(byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
