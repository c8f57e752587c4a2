/// Takes secret values out of a stream of text, wherever a build prints them: `***` stands in their place, also where
/// a value comes in several pieces.
package struct SecretMask: Sendable {
    /// Longest first, so that a value that holds another is taken whole.
    private let values: [[UInt8]]
    /// By byte: whether a value begins with it. A log is long, and most of its bytes are told from secrets by this.
    private let begins: [Bool]
    /// The end of what came, as long as it may be the beginning of a value.
    private var held: [UInt8] = []

    /// Shorter ones stand in every text.
    private static let shortest = 4
    private static let replacement = Array("***".utf8)

    /// Each value, and each line of those that have several: logs show lines.
    package init(_ secrets: [[UInt8]]) {
        var values: Set<[UInt8]> = []
        for secret in secrets {
            for line in secret.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") })
            where line.count >= Self.shortest {
                values.insert(Array(line))
            }
        }
        self.values = values.sorted { ($1.count, $0.description) < ($0.count, $1.description) }
        var begins = [Bool](repeating: false, count: 256)
        for value in values { begins[Int(value[0])] = true }
        self.begins = begins
    }

    /// What can be shown of these bytes and those held back before.
    package mutating func mask(_ bytes: [UInt8]) -> [UInt8] {
        guard !values.isEmpty else { return bytes }
        let all = held + bytes
        let (shown, rest) = masked(all, atEnd: false)
        held = rest
        return shown
    }

    /// What was held back: nothing more comes.
    package mutating func finish() -> [UInt8] {
        defer { held = [] }
        return masked(held, atEnd: true).shown
    }

    package func masked(_ text: String) -> String {
        values.isEmpty ? text : String(decoding: masked(Array(text.utf8), atEnd: true).shown, as: UTF8.self)
    }

    private func masked(_ bytes: [UInt8], atEnd: Bool) -> (shown: [UInt8], rest: [UInt8]) {
        var shown: [UInt8] = []
        shown.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let start = position
            while position < bytes.count, !begins[Int(bytes[position])] { position += 1 }
            shown += bytes[start..<position]
            guard position < bytes.count else { break }
            let rest = bytes[position...]
            if let value = values.first(where: { rest.starts(with: $0) }) {
                shown += Self.replacement
                position += value.count
            } else if !atEnd, values.contains(where: { $0.count > rest.count && $0.starts(with: rest) }) {
                return (shown, Array(rest))
            } else {
                shown.append(bytes[position])
                position += 1
            }
        }
        return (shown, [])
    }
}
