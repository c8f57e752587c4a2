import LianModel

/// JSON with two spaces for each level, and its members in the order given.
indirect enum Indented {
    case plain(JSONValue)
    case list([Indented])
    case record(Ordered)

    var text: String { lines(0).joined(separator: "\n") }

    /// Of which the first stands behind a key, and the last before a comma.
    private func lines(_ level: Int) -> [String] {
        switch self {
        case .plain(let value): return [value.encoded()]
        case .list(let items):
            return enclosed("[", items.map { $0.lines(level + 1) }, "]", level)
        case .record(let record):
            let members = record.members.map { key, value in
                var lines = value.lines(level + 1)
                lines[0] = "\(JSONValue.string(key).encoded()): \(lines[0])"
                return lines
            }
            return enclosed("{", members, "}", level)
        }
    }

    private func enclosed(_ start: String, _ parts: [[String]], _ end: String, _ level: Int) -> [String] {
        guard !parts.isEmpty else { return [start + end] }
        let inner = String(repeating: "  ", count: level + 1)
        var lines = [start]
        for (index, part) in parts.enumerated() {
            lines += part
            lines[lines.count - part.count] = inner + part[0]
            if index < parts.count - 1 { lines[lines.count - 1] += "," }
        }
        return lines + [String(repeating: "  ", count: level) + end]
    }
}

/// Members in the order in which they are written.
struct Ordered {
    let members: [(key: String, value: Indented)]

    init(_ members: [(String, Indented)]) {
        self.members = members.map { (key: $0.0, value: $0.1) }
    }
}
