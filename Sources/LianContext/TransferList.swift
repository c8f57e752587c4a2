/// How rsync is told what travels: by a list of names on its standard input, and by filter rules if rsync reads them as
/// Docker does. Its source is the context's root with a trailing slash.
package struct TransferSelection: Sendable {
    private let filters: [String]?
    private let exclusions: [[UInt8]]?

    init(filters: [String]?, exclusions: [[UInt8]]?) {
        self.filters = filters
        self.exclusions = exclusions
    }

    /// rsync reads a list letter by letter, and all of it before it sends the first file. So where rsync can follow the
    /// rules, the list names only what lies in the root, and rsync reads the folders itself. Neither list includes the
    /// root, or rsync would send the root's own mode and owner.
    var rsyncReadsFolders: Bool { filters != nil }

    /// How rsync is called to also delete what lies at the other end and does not travel.
    package struct Deleting: Sendable {
        package let arguments: [String]
        package let input: [UInt8]
    }

    /// rsync deletes nothing that a list leaves out. So it reads the root by itself, and is told what stays behind: by
    /// the rules, or name by name. Nil where it can be told neither.
    package var deleting: Deleting? {
        let arguments = ["--archive", "--delete", "--delete-excluded"]
        if let filters { return Deleting(arguments: arguments + filters, input: []) }
        let rules = exclusions?.map(RsyncFilters.rule)
        guard let rules, rules.allSatisfy({ $0.count <= RsyncFilters.longestPattern }) else { return nil }
        return Deleting(
            arguments: arguments + ["--from0", "--exclude-from=-"], input: rules.flatMap { $0 + [0] })
    }

    package var arguments: [String] {
        ["--archive", filters == nil ? "--no-recursive" : "--recursive", "--from0", "--files-from=-"] + (filters ?? [])
    }
}

/// The list itself: each path ends in a NUL. Folders have no trailing slash.
struct TransferList {
    private let emit: ([UInt8]) throws -> Void
    private var chunk: [UInt8] = []

    private static let chunkSize = 1 << 16

    init(_ emit: @escaping ([UInt8]) throws -> Void) {
        self.emit = emit
        chunk.reserveCapacity(Self.chunkSize + 4097)
    }

    mutating func add(_ path: UnsafeBufferPointer<UInt8>) throws {
        // rsync would take such a path for a comment, even in a NUL-separated list.
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
