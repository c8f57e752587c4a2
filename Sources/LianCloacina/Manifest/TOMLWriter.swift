import LianModel

/// Writes a document back: bare keys, then the tables in the order given, then what other tables there are.
func encodedTOML(_ document: TOMLTable, first: [String]) -> [UInt8] {
    var bare: [String] = []
    var tables: [String] = []
    for key in document.keys {
        switch document[key] {
        case .table: tables.append(key)
        case .array(let items) where !items.isEmpty && items.allSatisfy(\.isTable): tables.append(key)
        default: bare.append(key)
        }
    }
    let others = tables.filter { !first.contains($0) }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    var parts: [[String]] = bare.isEmpty ? [] : [lines(of: document, keys: bare)]
    for key in first.filter(tables.contains) + others {
        switch document[key] {
        case .table(let table): parts.append(["[\(quotedKey(key))]"] + lines(of: table, keys: table.keys))
        case .array(let items):
            for case .table(let table) in items {
                parts.append(["[[\(quotedKey(key))]]"] + lines(of: table, keys: table.keys))
            }
        default: break
        }
    }
    return Array((parts.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n").utf8)
}

private func lines(of table: TOMLTable, keys: [String]) -> [String] {
    keys.compactMap { key in table[key].map { "\(quotedKey(key)) = \(inline($0))" } }
}

private func inline(_ value: TOMLValue) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .integer(let number): String(number)
    case .float(let number):
        number.isNaN ? "nan" : number.isInfinite ? (number < 0 ? "-inf" : "inf") : number.description
    case .boolean(let flag): flag ? "true" : "false"
    case .dateTime(let text): text
    case .array(let items): "[" + items.map(inline).joined(separator: ", ") + "]"
    case .table(let table):
        table.keys.isEmpty ? "{}" : "{ " + lines(of: table, keys: table.keys).joined(separator: ", ") + " }"
    }
}

private func quotedKey(_ key: String) -> String {
    let isBare =
        !key.isEmpty
        && key.utf8.allSatisfy {
            Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
    return isBare ? key : quoted(key)
}

private func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\r": out += "\\r"
        case "\t": out += "\\t"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            out += "\\u00" + hexadecimal([UInt8(scalar.value)])
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

extension TOMLValue {
    fileprivate var isTable: Bool {
        if case .table = self { true } else { false }
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var table: TOMLTable? {
        if case .table(let table) = self { table } else { nil }
    }

    package var items: [TOMLValue]? {
        if case .array(let items) = self { items } else { nil }
    }
}

extension TOMLValue: JSONEncodable {
    package var json: JSONValue {
        switch self {
        case .string(let text), .dateTime(let text): .string(text)
        case .integer(let number): .integer(Int(number))
        case .float(let number): .number(number)
        case .boolean(let flag): .bool(flag)
        case .array(let items): .array(items.map(\.json))
        case .table(let table): table.json
        }
    }
}

extension TOMLTable: JSONEncodable {
    package var json: JSONValue {
        .object(Dictionary(keys.map { ($0, self[$0]?.json ?? .null) }, uniquingKeysWith: { $1 }))
    }
}
