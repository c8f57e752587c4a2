/// How rsync is told what travels: by a list of names on its standard input, and by rules where it can be trusted with
/// them. Its source is the context's root with a slash after it.
package struct TransferSelection: Sendable {
    private let filters: [String]?

    init(filters: [String]?) {
        self.filters = filters
    }

    /// rsync reads a list letter by letter, and all of it before it sends the first file. So where it can follow the
    /// rules it is told what lies in the root alone, and reads the folders itself. The root is no part of either list:
    /// with it rsync would send the root's own mode and owner.
    var rsyncReadsFolders: Bool { filters != nil }

    package var arguments: [String] {
        ["--archive", filters == nil ? "--no-recursive" : "--recursive", "--from0", "--files-from=-"] + (filters ?? [])
    }
}

/// The list itself: each path ended by a NUL. Folders stand in it without a slash after them.
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
        if let first = path.first, "#;".utf8.contains(first) { chunk.append(GoText.slash) }
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
