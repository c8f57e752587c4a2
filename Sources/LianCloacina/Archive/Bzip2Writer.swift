import CBzip2
import Dispatch

/// Compresses to bzip2 at level 9 on all processors, byte for byte to what one `bzip2 -9` writes: the input is cut where
/// that would end its blocks, each block is compressed by itself, and the blocks are joined bit by bit.
package struct Bzip2Writer {
    private var cutter = BlockCutter()
    /// What is not compressed yet: whole blocks, then the beginning of one.
    private var input: [UInt8] = []
    /// Where in `input` the whole blocks end.
    private var ends: [Int] = []
    private var output = BitWriter()
    private var combinedChecksum: UInt32 = 0
    private let sink: ([UInt8]) throws(CloacinaError) -> Void

    /// So much is held before it is compressed: some blocks for each processor.
    private static let batchBlocks = 8
    private static let batchBytes = 16 << 20

    package init(sink: @escaping ([UInt8]) throws(CloacinaError) -> Void) {
        self.sink = sink
        output.append(Array("BZh9".utf8))
    }

    package mutating func write(_ bytes: some Collection<UInt8> & ContiguousBytes) throws(CloacinaError) {
        let start = input.count
        input.append(contentsOf: bytes)
        cutter.find(in: input, from: start) { ends.append($0) }
        if ends.count >= Self.batchBlocks || (!ends.isEmpty && input.count >= Self.batchBytes) { try compress() }
    }

    package mutating func finish() throws(CloacinaError) {
        if input.count > ends.last ?? 0 { ends.append(input.count) }
        try compress()
        output.append([0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
        output.append((0..<4).map { UInt8(truncatingIfNeeded: combinedChecksum >> (24 - 8 * $0)) })
        output.pad()
        try sink(output.take())
    }

    private mutating func compress() throws(CloacinaError) {
        let blocks = zip([0] + ends, ends).map { input[$0..<$1] }
        let made = concurrently(blocks) { Bzip2Block($0) }
        for block in made {
            guard let block else {
                throw CloacinaError(
                    .internalError, .archive, "libbz2 did not compress a block as it should",
                    hint: "Report it, with the version of libbz2.")
            }
            output.append(block.bytes, bits: block.bitCount)
            combinedChecksum = (combinedChecksum << 1 | combinedChecksum >> 31) ^ block.checksum
        }
        input.removeFirst(ends.last ?? 0)
        ends = []
        try sink(output.take())
    }
}

/// What the body makes of each, on all processors, in order.
private func concurrently<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], _ body: @Sendable (Input) -> Output?
) -> [Output?] {
    var outputs = [Output?](repeating: nil, count: inputs.count)
    outputs.withUnsafeMutableBufferPointer { buffer in
        // Each index is written by one call alone.
        nonisolated(unsafe) let slots = buffer
        DispatchQueue.concurrentPerform(iterations: inputs.count) { slots[$0] = body(inputs[$0]) }
    }
    return outputs
}

/// Finds where bzip2 ends a block. It first writes runs short: up to 255 equal bytes become four and a count. A block is
/// full when that many bytes of this are in it; a run that is still growing then goes to the next block.
private struct BlockCutter {
    private static let capacity = 900_000 - 19

    private var filled = 0
    private var last: UInt8 = 0
    private var run = 0

    /// Tells each index at which a block ends and the next one begins.
    mutating func find(in bytes: [UInt8], from start: Int, _ found: (Int) -> Void) {
        bytes.withUnsafeBufferPointer { bytes in
            var index = start
            while index < bytes.count {
                let byte = bytes[index]
                if run > 0, byte == last, run < 255 {
                    run += 1
                } else {
                    if run > 0 { filled += run < 4 ? run : 5 }
                    last = byte
                    run = 1
                    if filled >= Self.capacity {
                        found(index)
                        filled = 0
                    }
                }
                index += 1
            }
        }
    }
}

/// One block of a bzip2 stream.
private struct Bzip2Block: Sendable {
    let bytes: [UInt8]
    let bitCount: Int
    let checksum: UInt32

    /// Compresses the input, which fills one block at most, and takes the block out of the stream that this gives.
    init?(_ input: ArraySlice<UInt8>) {
        // As much as a block can need, which has 900,000 bytes at most.
        var stream = [UInt8](repeating: 0, count: 1_000_000)
        var count = UInt32(stream.count)
        let result = stream.withUnsafeMutableBytes { stream in
            input.withUnsafeBytes { input in
                BZ2_bzBuffToBuffCompress(
                    stream.baseAddress?.assumingMemoryBound(to: CChar.self), &count,
                    UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: CChar.self)),
                    UInt32(input.count), 9, 0, 0)
            }
        }
        guard result == BZ_OK, count > 24 else { return nil }
        stream.removeLast(stream.count - Int(count))
        // Four bytes of header, then the block: its mark of six bytes, its checksum of four.
        let checksum = stream[10..<14].reduce(0) { $0 << 8 | UInt32($1) }
        // It is followed by a mark of 48 bits, the checksum once more, and up to seven bits to the next byte.
        let tail = stream.suffix(11).reduce(into: (high: UInt64(0), low: UInt64(0))) { tail, byte in
            tail.high = tail.high << 8 | tail.low >> 56
            tail.low = tail.low << 8 | UInt64(byte)
        }
        let padding = (0..<8).first { (padding: Int) in
            let low = padding == 0 ? tail.low : tail.low >> padding | tail.high << (64 - padding)
            let mark = (tail.high >> padding) << 32 | low >> 32
            return mark & 0xFFFF_FFFF_FFFF == 0x1772_4538_5090 && UInt32(truncatingIfNeeded: low) == checksum
        }
        guard let padding else { return nil }
        self.checksum = checksum
        bitCount = (stream.count - 4) * 8 - 80 - padding
        bytes = Array(stream.dropFirst(4).prefix((bitCount + 7) / 8))
    }
}

/// Joins pieces that end within a byte.
private struct BitWriter {
    private var bytes: [UInt8] = []
    /// The bits of a byte that is not full, the first at the top.
    private var rest: UInt8 = 0
    private var restBits = 0

    mutating func append(_ piece: [UInt8], bits: Int? = nil) {
        let bits = bits ?? piece.count * 8
        bytes.reserveCapacity(bytes.count + piece.count + 1)
        for byte in piece.prefix(bits / 8) {
            bytes.append(rest | byte >> restBits)
            rest = restBits == 0 ? 0 : byte << (8 - restBits)
        }
        let left = bits % 8
        guard left > 0, let byte = piece.dropFirst(bits / 8).first else { return }
        let kept = byte & (0xFF << (8 - left))
        let joined = UInt16(rest) << 8 | UInt16(kept) << (8 - restBits)
        restBits += left
        if restBits >= 8 {
            bytes.append(UInt8(joined >> 8))
            rest = UInt8(truncatingIfNeeded: joined)
            restBits -= 8
        } else {
            rest = UInt8(joined >> 8)
        }
    }

    mutating func pad() {
        if restBits > 0 { bytes.append(rest) }
        (rest, restBits) = (0, 0)
    }

    mutating func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }
}
