import Glibc
import LianSystem

/// An archive's file, read once from its beginning to its end, with the hash of what was read.
final class ArchiveInput {
    let path: String
    /// When it was opened.
    let size: Int
    private let file: RegularFile
    private let stop: StopRequest
    private let hash = SHA256()
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var filled = 0..<0

    init(_ path: String, stop: StopRequest) throws(CloacinaError) {
        self.path = path
        self.stop = stop
        do throws(FileReadFailure) {
            file = try RegularFile.open(path)
        } catch {
            throw .unreadable(path, error.reason, .archive)
        }
        size = Int(file.status.st_size)
    }

    /// The bytes that come next, at least `count` of them unless the file ends before; they stay the next ones.
    func peek(_ count: Int = 1) throws(CloacinaError) -> ArraySlice<UInt8> {
        if filled.count < count {
            buffer.withUnsafeMutableBytes { bytes in
                for (to, from) in filled.enumerated() { bytes[to] = bytes[from] }
            }
            filled = 0..<filled.count
            while filled.count < count {
                let read = try more()
                if read == 0 { break }
                filled = 0..<filled.count + read
            }
        }
        return buffer[filled]
    }

    func skip(_ count: Int) { filled = filled.dropFirst(count) }

    /// Reads to the end; to be called once.
    func sha256() throws(CloacinaError) -> [UInt8] {
        repeat { filled = 0..<0 } while try more() > 0
        return hash.finish()
    }

    private func more() throws(CloacinaError) -> Int {
        // Also here, and not only where something comes of it: a long file may hold nothing.
        try stop.check()
        let start = filled.count
        do throws(FileReadFailure) {
            let count = try buffer.withUnsafeMutableBytes { bytes in
                Result { () throws(FileReadFailure) in
                    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
                }
            }.get()
            hash.update(buffer[start..<start + count])
            return count
        } catch {
            throw .unreadable(path, error.reason, .archive)
        }
    }
}

/// The size and the SHA-256 of a file.
package func hashFile(
    _ path: String, _ stop: StopRequest
) throws(CloacinaError) -> (bytes: Int, sha256: [UInt8]) {
    let input = try ArchiveInput(path, stop: stop)
    return (input.size, try input.sha256())
}

/// How a regular file begins; nothing where that cannot be told.
func beginning(of path: String) -> [UInt8] {
    guard let input = try? ArchiveInput(path, stop: StopRequest()), let bytes = try? input.peek(4) else { return [] }
    return Array(bytes)
}
