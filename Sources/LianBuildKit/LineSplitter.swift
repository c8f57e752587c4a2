import LianModel

/// Cuts a stream into lines, however it is cut into pieces. A line keeps its first bytes up to the limit; what is
/// over it is dropped, so memory stays bounded.
package struct LineSplitter: Sendable {
    private var partial: [UInt8] = []
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    /// Calls with each line that ends in these bytes, without its newline.
    package mutating func feed(_ bytes: [UInt8], line: (ArraySlice<UInt8>) -> Void) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            if partial.isEmpty {
                line(rest[..<end].prefix(limit))
            } else {
                hold(rest[..<end])
                line(partial[...])
                partial.removeAll(keepingCapacity: partial.count < 1 << 16)
            }
            rest = rest[(end + 1)...]
        }
        hold(rest)
    }

    /// The last line, where no newline ends it.
    package mutating func finish(line: (ArraySlice<UInt8>) -> Void) {
        if !partial.isEmpty { line(partial[...]) }
        partial = []
    }

    private mutating func hold(_ bytes: ArraySlice<UInt8>) {
        partial += bytes.prefix(max(0, limit - partial.count))
    }
}
