/// SSH's own encoding (RFC 4251, section 5): big-endian numbers, strings with their length in front.
struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    struct Truncated: Error {}

    init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
        position = 0
    }

    var isAtEnd: Bool { position == bytes.endIndex }

    mutating func take(_ count: Int) throws(Truncated) -> [UInt8] {
        guard count >= 0, count <= bytes.endIndex - position else { throw Truncated() }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func byte() throws(Truncated) -> UInt8 {
        try take(1)[0]
    }

    mutating func number() throws(Truncated) -> UInt32 {
        try take(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func string() throws(Truncated) -> [UInt8] {
        try take(Int(number()))
    }

    mutating func text() throws(Truncated) -> String {
        String(decoding: try string(), as: UTF8.self)
    }
}

struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func raw(_ part: some Sequence<UInt8>) {
        bytes.append(contentsOf: part)
    }

    mutating func number(_ value: UInt32) {
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func string(_ part: some Collection<UInt8>) {
        number(UInt32(part.count))
        raw(part)
    }
}
