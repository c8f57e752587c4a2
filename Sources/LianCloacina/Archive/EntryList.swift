/// Remembers what an archive holds, with the hash of each file.
package final class EntryList: ArchiveVisitor {
    package struct Entry: Equatable, Sendable {
        package let path: String
        package let bytes: Int
        package let isFolder: Bool
        package let isExecutable: Bool
        package let sha256: [UInt8]?
    }

    /// Of those that were read to their end.
    package private(set) var entries: [Entry] = []
    private let next: (any ArchiveVisitor)?
    private var current: (entry: ArchiveEntry, hash: SHA256)?

    /// Everything is handed on to the next visitor.
    package init(next: (any ArchiveVisitor)? = nil) {
        self.next = next
    }

    package func begin(_ entry: ArchiveEntry) throws(CloacinaError) {
        current = (entry, SHA256())
        try next?.begin(entry)
    }

    package func take(_ bytes: ArraySlice<UInt8>) throws(CloacinaError) {
        current?.hash.update(bytes)
        try next?.take(bytes)
    }

    package func end() throws(CloacinaError) {
        try next?.end()
        guard let (entry, hash) = current else { return }
        current = nil
        entries.append(
            Entry(
                path: entry.path, bytes: entry.size, isFolder: entry.isFolder, isExecutable: entry.isExecutable,
                sha256: entry.isFolder ? nil : hash.finish()))
    }
}
