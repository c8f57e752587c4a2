/// What hosts take of an archive, asked of one member after another. The first one that is too much decides.
struct ArchiveRules {
    private let archive: String
    private let archiveBytes: Int
    /// Of all files together.
    let mostBytes: Int
    private var paths = MemberPaths()
    private var entries = 0
    private var declared = 0

    /// `archive` is how the archive is spoken of.
    init(_ archive: String, archiveBytes: Int) {
        self.archive = archive
        self.archiveBytes = archiveBytes
        let byRatio = archiveBytes.multipliedReportingOverflow(by: ArchiveLimits.ratio)
        mostBytes = byRatio.overflow ? ArchiveLimits.bytes : min(ArchiveLimits.bytes, byRatio.partialValue)
    }

    /// The member's path as it is used; nil for the archive's own folder.
    mutating func admit(
        _ path: [UInt8], isFolder: Bool, size: Int, _ refusal: MemberPaths.Refusal
    ) throws(CloacinaError) -> String? {
        entries += 1
        guard entries <= ArchiveLimits.entries else {
            throw self.refusal(.archiveTooManyEntries, "holds more than \(ArchiveLimits.entries) entries")
        }
        let used = try paths.add(path, isFolder: isFolder, refusal)
        guard size <= mostBytes - declared else {
            let rule =
                mostBytes == ArchiveLimits.bytes
                ? "500 MiB" : "\(ArchiveLimits.ratio) times the archive's \(archiveBytes) bytes"
            throw self.refusal(.archiveTooLarge, "holds files that are larger than \(rule) together")
        }
        declared += size
        return used
    }

    private func refusal(_ code: CloacinaCode, _ what: String) -> CloacinaError {
        CloacinaError(
            code, .archive, "\(archive) \(what)",
            hint: "Hosts refuse such an archive too: leave out what it does not need.")
    }
}

extension [ArchiveMember] {
    /// Asks of the archive that was made of these what a reader would ask of it.
    func check(top: String, archive: String, bytes: Int) throws(CloacinaError) {
        var rules = ArchiveRules(archive, archiveBytes: bytes)
        for member in self {
            let path = [UInt8]("\(top)/\(member.path)".utf8)
            _ = try rules.admit(path, isFolder: false, size: member.size) { code, what, path in
                CloacinaError(
                    code, .archive,
                    "\(archive): its member '\(String(decoding: path.prefix(200), as: UTF8.self))' \(what)",
                    hint: "Give the file another name.")
            }
        }
    }
}
