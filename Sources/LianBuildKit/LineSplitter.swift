/// Cuts a stream into lines, however the stream is cut into pieces. A line that is longer than the limit keeps its
/// first bytes and a note of how many were left out, so memory stays bounded.
package struct LineSplitter: Sendable {
    private var partial: [UInt8] = []
    private var left = 0
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    /// Calls `line` with each line that ends in these bytes, without its newline.
    package mutating func feed(_ bytes: [UInt8], line: (ArraySlice<UInt8>) -> Void) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            if partial.isEmpty, end - rest.startIndex <= limit {
                line(rest[..<end])
            } else {
                hold(rest[..<end])
                giveHeld(line)
            }
            rest = rest[(end + 1)...]
        }
        hold(rest)
    }

    /// Calls `line` with the last line if no newline ends it.
    package mutating func finish(line: (ArraySlice<UInt8>) -> Void) {
        if !partial.isEmpty { giveHeld(line) }
        partial = []
    }

    private mutating func hold(_ bytes: ArraySlice<UInt8>) {
        let kept = bytes.prefix(max(0, limit - partial.count))
        partial += kept
        left += bytes.count - kept.count
    }

    private mutating func giveHeld(_ line: (ArraySlice<UInt8>) -> Void) {
        if left > 0 { partial += " … \(left) bytes more".utf8 }
        left = 0
        line(partial[...])
        partial.removeAll(keepingCapacity: partial.count < 1 << 16)
    }
}
