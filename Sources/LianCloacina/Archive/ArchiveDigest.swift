/// What `package.sig` covers: every file of a package but signatures, by path and content.
package struct ArchiveDigest {
    private let hash = SHA256()

    package init() {}

    /// Files have to come in the order of the bytes of their paths. True where this one counts: then its bytes follow.
    package func begin(_ path: String, size: Int) -> Bool {
        guard !path.utf8.suffix(4).elementsEqual(".sig".utf8) else { return false }
        hash.update(littleEndian: path.utf8.count)
        hash.update(Array(path.utf8))
        hash.update(littleEndian: size)
        return true
    }

    package func take(_ bytes: ArraySlice<UInt8>) { hash.update(bytes) }

    package func finish() -> [UInt8] { hash.finish() }
}
