import LianSystem

/// A file of an archive that is being made.
package struct ArchiveMember: Sendable {
    package enum Content: Sendable {
        case bytes([UInt8])
        case file(SourceFile)
    }

    package let path: String
    package let content: Content

    package init(_ path: String, _ content: Content) {
        self.path = path
        self.content = content
    }

    package var size: Int {
        switch content {
        case .bytes(let bytes): bytes.count
        case .file(let file): file.size
        }
    }

    var isExecutable: Bool {
        switch content {
        case .bytes: false
        case .file(let file): file.isExecutable
        }
    }

    package func read(
        _ stop: StopRequest, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void
    ) throws(CloacinaError) {
        switch content {
        case .bytes(let bytes): try take(bytes[...])
        case .file(let file): try file.read(stop, take)
        }
    }
}

/// Writes the archive of today: bzip2 of a tar in which nothing tells of the machine. Returns the digest. The members
/// have to be in the order of the bytes of their paths.
package func writeArchive(
    _ members: [ArchiveMember], top: String, modified: Int, to draft: FileDraft, _ stop: StopRequest
) throws(CloacinaError) -> [UInt8] {
    let digest = ArchiveDigest()
    var output = Bzip2Writer { bytes throws(CloacinaError) in
        do throws(SystemError) { try draft.write(bytes) } catch { throw .unwritable(draft.draftPath, error) }
    }
    for member in members {
        try output.write(
            TarHeader.member(
                "\(top)/\(member.path)", size: member.size, isExecutable: member.isExecutable, modified: modified))
        let counts = digest.begin(member.path, size: member.size)
        try member.read(stop) { bytes throws(CloacinaError) in
            if counts { digest.take(bytes) }
            try output.write(bytes)
        }
        try output.write(TarHeader.padding(after: member.size))
    }
    try output.write(TarHeader.end)
    try output.finish()
    return digest.finish()
}

extension [ArchiveMember] {
    /// In the order in which an archive holds them.
    package var inOrder: [ArchiveMember] {
        sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    package func digest(_ stop: StopRequest) throws(CloacinaError) -> [UInt8] {
        let digest = ArchiveDigest()
        for member in self where digest.begin(member.path, size: member.size) {
            try member.read(stop) { bytes throws(CloacinaError) in digest.take(bytes) }
        }
        return digest.finish()
    }
}
