import LianModel

/// The path of the entry that the walk is at, ended by a NUL: one buffer for the whole walk.
final class PathBuffer {
    /// Includes the NUL.
    private static let capacity = longestPath + 1

    private let start: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    /// Where the last component begins.
    private var nameOffset = 0

    init() {
        start = .allocate(capacity: Self.capacity)
        set([])
    }

    deinit {
        start.deallocate()
    }

    var path: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }
    var text: String { count == 0 ? "." : String(decoding: path, as: UTF8.self) }

    /// The path for calls relative to the root, which is itself ".".
    var cPath: UnsafePointer<CChar> { UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self) }
    var cName: UnsafePointer<CChar> { cPath.advanced(by: nameOffset) }

    /// Sets a path that was taken from this buffer before.
    func set(_ path: [UInt8]) {
        count = 0
        append(path.isEmpty ? [UInt8(ascii: ".")] : path)
        count = path.count
        nameOffset = (path.lastIndex(of: GoText.slash) ?? -1) + 1
    }

    /// Sets the path of an entry of a folder.
    func set(_ folder: [UInt8], appending name: UnsafeBufferPointer<UInt8>) throws(LianError) {
        nameOffset = folder.isEmpty ? 0 : folder.count + 1
        guard nameOffset + name.count < Self.capacity else {
            throw .pathTooLong(folder + [GoText.slash] + name, .resolve, on: "this machine")
        }
        count = 0
        if nameOffset > 0 {
            append(folder)
            append([GoText.slash])
        }
        append(name)
    }

    private func append(_ bytes: some Collection<UInt8>) {
        _ = UnsafeMutableBufferPointer(start: start + count, count: bytes.count).initialize(fromContentsOf: bytes)
        count += bytes.count
        start[count] = 0
    }
}
