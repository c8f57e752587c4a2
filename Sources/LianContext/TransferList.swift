/// The list that makes `rsync` send what a walk handed out and nothing else: each path ended by a NUL.
///
/// Folders stand in it by themselves, without a slash after them, so that rsync makes them and does not read them.
struct TransferList {
    private let emit: ([UInt8]) throws -> Void
    private var chunk: [UInt8] = []

    private static let chunkSize = 1 << 16

    init(_ emit: @escaping ([UInt8]) throws -> Void) {
        self.emit = emit
        chunk.reserveCapacity(Self.chunkSize + 4097)
    }

    mutating func add(_ path: UnsafeBufferPointer<UInt8>) throws {
        // rsync would take it for a comment, in a list by NULs too.
        if let first = path.first, "#;".utf8.contains(first) { chunk += "./".utf8 }
        chunk += path
        chunk.append(0)
        guard chunk.count >= Self.chunkSize else { return }
        try finish()
    }

    mutating func finish() throws {
        guard !chunk.isEmpty else { return }
        try emit(chunk)
        chunk.removeAll(keepingCapacity: true)
    }
}
