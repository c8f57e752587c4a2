/// The one encoder: no spaces, keys sorted, one line.
extension JSONValue {
    package func encoded() -> String {
        String(decoding: encodedBytes(), as: UTF8.self)
    }

    package func encodedBytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return writer.output
    }
}

private struct JSONWriter {
    var output: [UInt8] = []

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: text("null")
        case .bool(let flag): text(flag ? "true" : "false")
        case .integer(let number): text(String(number))
        case .number(let number): write(number)
        case .string(let string): write(string)
        case .array(let items):
            output.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(item)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, key) in members.keys.sorted().enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(key)
                output.append(UInt8(ascii: ":"))
                write(members[key] ?? .null)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// JSON has neither infinities nor NaN: null is written instead, so that the line stays readable.
    private mutating func write(_ number: Double) {
        if !number.isFinite {
            text("null")
        } else if let whole = Int(exactly: number) {
            text(String(whole))
        } else {
            text(number.description)
        }
    }

    private mutating func write(_ string: String) {
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text("\\\"")
            case UInt8(ascii: "\\"): text("\\\\")
            case 0x0A: text("\\n")
            case 0x0D: text("\\r")
            case 0x09: text("\\t")
            case 0..<0x20, 0x7F:
                let digits = Array("0123456789abcdef".utf8)
                text("\\u00")
                output.append(digits[Int(byte >> 4)])
                output.append(digits[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private mutating func text(_ ascii: String) {
        output.append(contentsOf: ascii.utf8)
    }
}
