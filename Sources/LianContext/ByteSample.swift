import Glibc
import LianSystem

/// Places spread evenly over a context's bytes. The bytes there show whether the context is worth compressing, whatever
/// its files are called.
struct ByteSample {
    private struct Spot {
        let path: [UInt8]
        let offset: Int
        /// The offset within all of the context's files together.
        let position: Int128
    }

    private var spots: [Spot] = []
    /// Wider than a file's size, because there may be many sparse files of the largest size.
    private var total: Int128 = 0
    /// The distance between two spots. Whenever there are too many, it is doubled and every other spot is dropped.
    private var step: Int128 = 1 << 16

    private static let mostSpots = 64
    private static let spotSize = 4096
    /// A smaller context gains nothing from compression.
    private static let leastBytes = 256 << 10
    /// The most bits of information in a byte that is worth compressing. Noise and compressed data have nearly eight,
    /// texts have five, programs six.
    private static let fullness = 7.4

    mutating func add(_ entry: ContextEntry) {
        guard case .file(let bytes) = entry.kind, bytes > 0 else { return }
        let end = total + Int128(bytes)
        defer { total = end }
        while Int128(bytes) / step > Self.mostSpots { widen() }
        var next = (total + step - 1) / step * step
        guard next < end else { return }
        let path = Array(entry.path)
        while next < end {
            spots.append(Spot(path: path, offset: Int(next - total), position: next))
            next += step
            if spots.count > Self.mostSpots {
                widen()
                next = (next + step - 1) / step * step
            }
        }
    }

    private mutating func widen() {
        step *= 2
        spots.removeAll { !$0.position.isMultiple(of: step) }
    }

    /// Whether the files below the folder will shrink enough for compression to pay.
    func shrinks(below folder: Int32) -> Bool {
        guard total >= Self.leastBytes else { return false }
        let bits = spots.compactMap { Self.bitsPerByte(at: $0, below: folder) }
        return !bits.isEmpty && bits.reduce(0, +) / Double(bits.count) < Self.fullness
    }

    private static func bitsPerByte(at spot: Spot, below folder: Int32) -> Double? {
        let path = spot.path.map(CChar.init(bitPattern:)) + [0]
        let opened = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { return nil }
        defer { close(opened) }
        let bytes = [UInt8](unsafeUninitializedCapacity: spotSize) { buffer, filled in
            filled = max(0, pread(opened, buffer.baseAddress, spotSize, spot.offset))
        }
        return bytes.isEmpty ? nil : entropy(of: bytes)
    }

    /// The bits of information in each byte, judged by how often its value occurs.
    private static func entropy(of bytes: [UInt8]) -> Double {
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        return counts.reduce(0.0) { sum, count in
            guard count > 0 else { return sum }
            let share = Double(count) / Double(bytes.count)
            return sum - share * log2(share)
        }
    }
}
