/// Writes the context as JSON, members sorted by their keys' bytes.
struct ContextWriter {
    private var text = ""

    static func write(_ context: PackageContext) -> String {
        var writer = ContextWriter()
        writer.append(context)
        return writer.text
    }

    private mutating func append(_ context: PackageContext) {
        text += "{"
        for (index, member) in context.members.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { text += "," }
            append(member.key.text)
            text += ":"
            append(member.value)
        }
        text += "}"
    }

    private mutating func append(_ value: ContextValue) {
        switch value {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .unsigned(let value): text += String(value)
        case .double(let value): text += value.isFinite ? value.description : "null"
        case .string(let value): append(value)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                append(value)
            }
            text += "]"
        case .object(let context): append(context)
        }
    }

    private mutating func append(_ string: String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\u{8}": text += "\\b"
            case "\u{C}": text += "\\f"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\0"..<" ": text += scalar.value < 0x10 ? "\\u000\(hex(scalar))" : "\\u00\(hex(scalar))"
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private func hex(_ scalar: Unicode.Scalar) -> String { String(scalar.value, radix: 16) }
}
