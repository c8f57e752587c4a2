/// Reads SSH's own encoding (RFC 4251, section 5): big-endian numbers, strings with their length in front.
package struct SSHWireReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package struct Truncated: Error {}

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
        position = 0
    }

    package var isAtEnd: Bool { position == bytes.endIndex }

    package mutating func take(_ count: Int) throws(Truncated) -> [UInt8] {
        guard count >= 0, count <= bytes.endIndex - position else { throw Truncated() }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    package mutating func byte() throws(Truncated) -> UInt8 {
        try take(1)[0]
    }

    package mutating func number() throws(Truncated) -> UInt32 {
        try take(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    package mutating func string() throws(Truncated) -> [UInt8] {
        try take(Int(number()))
    }

    package mutating func text() throws(Truncated) -> String {
        String(decoding: try string(), as: UTF8.self)
    }
}
