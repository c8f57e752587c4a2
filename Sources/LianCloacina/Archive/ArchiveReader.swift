import LianSystem

/// A member of an archive that may be unpacked.
package struct ArchiveEntry: Equatable, Sendable {
    /// Below the archive's own folder.
    package let path: String
    package let isFolder: Bool
    package let size: Int
    package let isExecutable: Bool
}

/// Gets what an archive holds, in the archive's order.
package protocol ArchiveVisitor: AnyObject {
    func begin(_ entry: ArchiveEntry) throws(CloacinaError)
    func take(_ bytes: ArraySlice<UInt8>) throws(CloacinaError)
    func end() throws(CloacinaError)
}

/// What is known of an archive that was read to its end.
package struct ArchiveSummary: Equatable, Sendable {
    package let format: ArchiveFormat
    /// The one folder that holds all of it; nil in the form of before, which has none.
    package let top: String?
    /// How many there are in it, without folders.
    package let files: Int
    package let bytes: Int
    package let sha256: [UInt8]
    package let hasTrailingBytes: Bool

    func warnOfTrailingBytes(_ path: String, _ report: inout CloacinaReport) {
        guard hasTrailingBytes else { return }
        report.warn(.trailingBytes, "\(path) holds bytes after its end, which nobody reads")
    }
}

/// Reads an archive under the limits of hosts, without trust in any of it. The first thing that is wrong decides.
package func readArchive(
    _ path: String, stop: StopRequest, visitor: (any ArchiveVisitor)? = nil
) throws(CloacinaError) -> ArchiveSummary {
    let input = try ArchiveInput(path, stop: stop)
    let decompressor = try Decompressor(input)
    var rules = ArchiveRules(path, archiveBytes: input.size)
    let source = TarSource(
        decompressor, path: path, limit: rules.mostBytes + ArchiveLimits.frameBytes, stop: stop)
    let tar = TarReader(source)
    var layout = ArchiveLayout()
    var files = 0
    while let member = try tar.next() {
        let used = try rules.admit(
            member.path, isFolder: member.kind == .folder, size: member.size, source.refusal)
        guard let used else { continue }
        layout.add(used, member.kind)
        if member.kind == .file { files += 1 }
        try visitor?.begin(
            ArchiveEntry(
                path: used, isFolder: member.kind == .folder, size: member.size, isExecutable: member.isExecutable))
        try source.pass(member.size) { bytes throws(CloacinaError) in try visitor?.take(bytes) }
        try source.skipPadding(after: member.size)
        try visitor?.end()
    }
    let restHoldsBytes = try source.restHoldsBytes()
    let top = try layout.check(decompressor.format, path)
    return ArchiveSummary(
        format: decompressor.format, top: top, files: files, bytes: input.size, sha256: try input.sha256(),
        hasTrailingBytes: restHoldsBytes || decompressor.hasTrailingBytes)
}

/// What lies at the top of an archive.
private struct ArchiveLayout {
    /// By the bytes of their names: for `String`, two spellings of one letter are equal.
    private var tops: [[UInt8]: (isFolder: Bool, hasManifest: Bool)] = [:]
    private var firstTop: [UInt8]?

    mutating func add(_ path: String, _ kind: TarMember.Kind) {
        let names = pathParts(path)
        let top = Array((names.first ?? "").utf8)
        if firstTop == nil { firstTop = top }
        var known = tops[top] ?? (isFolder: false, hasManifest: false)
        if names.count > 1 || kind == .folder { known.isFolder = true }
        if names.count == 2, kind == .file, names[1] == "package.toml" { known.hasManifest = true }
        tops[top] = known
    }

    /// The name of the one top folder.
    func check(_ format: ArchiveFormat, _ path: String) throws(CloacinaError) -> String? {
        func refusal(_ code: CloacinaCode, _ message: String) -> CloacinaError {
            CloacinaError(code, .archive, "\(path) \(message)", hint: "Pack it anew by 'package pack'.")
        }
        if format == .gzip {
            guard tops[Array("manifest.json".utf8)]?.isFolder == false else {
                throw refusal(.archiveNoManifest, "has no manifest.json")
            }
            return nil
        }
        let hasSeveral = tops.count > 1
        guard tops.values.allSatisfy({ $0.isFolder && (!hasSeveral || $0.hasManifest) }) else {
            throw refusal(.archiveStrayEntries, "holds entries beside the one folder of the package")
        }
        guard !hasSeveral else { throw refusal(.archiveSeveralPackages, "holds several packages") }
        guard let firstTop, tops[firstTop]?.hasManifest == true else {
            throw refusal(.archiveNoManifest, "has no package.toml in its top folder")
        }
        return String(decoding: firstTop, as: UTF8.self)
    }
}
