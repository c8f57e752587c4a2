/// Reads the context's JSON. The library stands in a process with other runtimes and is linked with Swift's standard
/// library alone: Foundation would bring four times the bytes, and its ICU.
struct ContextReader {
    struct Failure: Error, CustomStringConvertible {
        let offset: Int
        let reason: String

        var description: String { "\(reason) at byte \(offset)" }
    }

    /// The engine's own reader goes no deeper.
    private static let deepest = 128

    private let bytes: [UInt8]
    private var offset = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func read(_ text: String) throws(Failure) -> PackageContext {
        var reader = ContextReader(Array(text.utf8))
        reader.skipSpace()
        guard reader.next == UInt8(ascii: "{") else { throw reader.failure("an object is expected") }
        let context = try reader.object(depth: 1)
        reader.skipSpace()
        guard reader.next == nil else { throw reader.failure("nothing may follow the object") }
        return context
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func failure(_ reason: String) -> Failure { Failure(offset: offset, reason: reason) }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ letter: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: letter) else { return false }
        offset += 1
        return true
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let isNext = word.withUTF8Buffer { bytes[offset...].starts(with: $0) }
        if isNext { offset += word.utf8CodeUnitCount }
        return isNext
    }

    private mutating func value(depth: Int) throws(Failure) -> ContextValue {
        skipSpace()
        switch next ?? 0 {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default:
            if takeWord("true") { return true }
            if takeWord("false") { return false }
            if takeWord("null") { return .null }
            throw failure("a value is expected")
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> PackageContext {
        guard depth <= Self.deepest else { throw failure("it is nested too deep") }
        var object = PackageContext()
        offset += 1
        skipSpace()
        if take("}") { return object }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw failure("a key is expected") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw failure("':' is expected") }
            object[key] = try value(depth: depth)
            skipSpace()
            if take("}") { return object }
            guard take(",") else { throw failure("',' or '}' is expected") }
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> [ContextValue] {
        guard depth <= Self.deepest else { throw failure("it is nested too deep") }
        var array: [ContextValue] = []
        offset += 1
        skipSpace()
        if take("]") { return array }
        while true {
            array.append(try value(depth: depth))
            skipSpace()
            if take("]") { return array }
            guard take(",") else { throw failure("',' or ']' is expected") }
        }
    }

    private mutating func number() throws(Failure) -> ContextValue {
        let start = offset
        _ = take("-")
        if !take("0") { try digits() }
        var isWhole = true
        if take(".") {
            try digits()
            isWhole = false
        }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
            isWhole = false
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        // A whole number has no -0.
        if isWhole, text != "-0" {
            if let value = Int(text) { return .integer(value) }
            if let value = UInt(text) { return .unsigned(value) }
        }
        guard let value = Double(text), value.isFinite else { throw failure("the number is too large") }
        return .double(value)
    }

    private mutating func digits() throws(Failure) {
        let start = offset
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        guard offset > start else { throw failure("a digit is expected") }
    }

    private mutating func string() throws(Failure) -> String {
        offset += 1
        var text: [UInt8] = []
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw failure("a string holds a control character")
            default: text.append(byte)
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Failure) {
        let letter = next
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter ?? 0)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var number = try fourHexDigits()
            if (0xD800...0xDBFF).contains(number) {
                guard takeWord("\\u") else { throw failure("half of a pair of surrogates") }
                let low = try fourHexDigits()
                guard (0xDC00...0xDFFF).contains(low) else { throw failure("half of a pair of surrogates") }
                number = 0x10000 + (number - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(number) else { throw failure("half of a pair of surrogates") }
            text.append(contentsOf: Character(scalar).utf8)
        default: throw failure("an escape that JSON does not have")
        }
    }

    private mutating func fourHexDigits() throws(Failure) -> UInt32 {
        var number: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("four hexadecimal digits are expected")
            }
            number = number << 4 | UInt32(digit)
            offset += 1
        }
        return number
    }
}
