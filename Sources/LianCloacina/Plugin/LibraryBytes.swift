/// What a library's file says that cannot be, in words.
package struct LibraryFault: Error, Equatable, Sendable {
    package let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// A library's bytes, little endian. Each place is checked: a file may say anything of where its parts are.
struct LibraryBytes: Sendable {
    let bytes: [UInt8]

    func number<Number: FixedWidthInteger>(at offset: UInt64, as type: Number.Type) throws(LibraryFault) -> Number {
        let size = MemoryLayout<Number>.size
        let start = try start(of: UInt64(size), at: offset)
        return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: start, as: type)) }
    }

    /// Text as C has it, less the zero at its end, which is at most `limit` bytes away.
    func text(at offset: UInt64, limit: Int) throws(LibraryFault) -> [UInt8] {
        let rest = bytes[try start(of: 1, at: offset)...].prefix(limit + 1)
        guard let end = rest.firstIndex(of: 0) else { throw LibraryFault("a name at byte \(offset) has no end") }
        return Array(rest[..<end])
    }

    /// Whether that text stands there, with its end.
    func holds(_ text: StaticString, at offset: UInt64) -> Bool {
        guard offset <= UInt64(bytes.count) else { return false }
        let rest = bytes[Int(offset)...]
        let count = text.utf8CodeUnitCount
        return rest.count > count && rest[rest.startIndex + count] == 0
            && text.withUTF8Buffer { rest.starts(with: $0) }
    }

    private func start(of count: UInt64, at offset: UInt64) throws(LibraryFault) -> Int {
        let (end, isTooMuch) = offset.addingReportingOverflow(count)
        guard !isTooMuch, end <= UInt64(bytes.count) else {
            throw LibraryFault("it has \(bytes.count) bytes, and says that something is at byte \(offset)")
        }
        return Int(offset)
    }
}

/// A sum of what a file says; one that no number holds leads nowhere.
func checkedSum(_ one: UInt64, _ other: UInt64) throws(LibraryFault) -> UInt64 {
    let (sum, isTooMuch) = one.addingReportingOverflow(other)
    guard !isTooMuch else { throw LibraryFault("a place in it is beyond every address") }
    return sum
}
