import Glibc
import LianSystem

/// What a library's file says that cannot be, in words.
package struct LibraryFault: Error, Equatable, Sendable {
    package let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// A library's bytes, little endian. Each place is checked: a file may say anything of where its parts are. A library may
/// be larger than what is to be held of it: its file is read piece by piece, where something is asked for.
final class LibraryBytes {
    let count: Int
    private let file: RegularFile?
    private var pieces: [Int: [UInt8]] = [:]
    /// The one that was asked for last.
    private var last: (number: Int, bytes: [UInt8]) = (-1, [])

    private static let pieceBits = 16
    private static let pieceMask = 1 << pieceBits - 1
    private static let mostPieces = 128

    init(_ bytes: [UInt8]) {
        count = bytes.count
        file = nil
        for start in stride(from: 0, to: bytes.count, by: 1 << Self.pieceBits) {
            pieces[start >> Self.pieceBits] = Array(bytes[start...].prefix(1 << Self.pieceBits))
        }
    }

    init(_ file: consuming RegularFile) {
        count = Int(file.status.st_size)
        self.file = consume file
    }

    func number<Number: FixedWidthInteger>(at offset: UInt64, as type: Number.Type) throws(LibraryFault) -> Number {
        let start = try start(of: UInt64(MemoryLayout<Number>.size), at: offset)
        let piece = try piece(start >> Self.pieceBits)
        let index = start & Self.pieceMask
        if index + MemoryLayout<Number>.size <= piece.count {
            return piece.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: index, as: type)) }
        }
        var number = Number.zero
        for index in (0..<MemoryLayout<Number>.size).reversed() {
            number = number << 8 | Number(truncatingIfNeeded: try byte(start + index))
        }
        return number
    }

    /// Text as C has it, less the zero at its end, which is at most `limit` bytes away.
    func text(at offset: UInt64, limit: Int) throws(LibraryFault) -> [UInt8] {
        var text: [UInt8] = []
        var place = try start(of: 1, at: offset)
        while place < count, text.count <= limit {
            let byte = try byte(place)
            if byte == 0 { return text }
            text.append(byte)
            place += 1
        }
        throw LibraryFault("a name at byte \(offset) has no end")
    }

    /// Whether that text stands there, with its end.
    func holds(_ text: StaticString, at offset: UInt64) throws(LibraryFault) -> Bool {
        let length = text.utf8CodeUnitCount
        guard let start = try? start(of: UInt64(length + 1), at: offset), try byte(start + length) == 0 else {
            return false
        }
        for index in 0..<length where try byte(start + index) != text.utf8Start[index] { return false }
        return true
    }

    /// How it begins.
    func beginning() throws(LibraryFault) -> [UInt8] {
        var bytes: [UInt8] = []
        for place in 0..<min(4, count) { bytes.append(try byte(place)) }
        return bytes
    }

    private func byte(_ place: Int) throws(LibraryFault) -> UInt8 {
        let piece = try piece(place >> Self.pieceBits)
        let index = place & Self.pieceMask
        guard index < piece.count else { throw LibraryFault("it became shorter while it was read") }
        return piece[index]
    }

    private func piece(_ number: Int) throws(LibraryFault) -> [UInt8] {
        if number == last.number { return last.bytes }
        let bytes = if let known = pieces[number] { known } else { try read(number) }
        last = (number, bytes)
        return bytes
    }

    private func read(_ number: Int) throws(LibraryFault) -> [UInt8] {
        if pieces.count >= Self.mostPieces { pieces = [:] }
        var bytes = [UInt8](repeating: 0, count: 1 << Self.pieceBits)
        var filled = 0
        do throws(FileReadFailure) {
            while filled < bytes.count {
                let read = try bytes.withUnsafeMutableBytes { buffer in
                    Result { () throws(FileReadFailure) in
                        try file?.read(
                            into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]),
                            at: number << Self.pieceBits + filled) ?? 0
                    }
                }.get()
                if read == 0 { break }
                filled += read
            }
        } catch {
            throw LibraryFault("it cannot be read: \(error.reason)")
        }
        bytes.removeLast(bytes.count - filled)
        pieces[number] = bytes
        return bytes
    }

    private func start(of count: UInt64, at offset: UInt64) throws(LibraryFault) -> Int {
        let (end, isTooMuch) = offset.addingReportingOverflow(count)
        guard !isTooMuch, end <= UInt64(self.count) else {
            throw LibraryFault("it has \(self.count) bytes, and says that something is at byte \(offset)")
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
