/// Writes what SSHWireReader reads.
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
