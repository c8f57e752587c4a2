import LianModel

/// What travels of a context.
package struct ContextSummary: Equatable, Sendable {
    /// Everything but folders. A file with several names counts once for each, as rsync sends it.
    package var files = 0
    package var folders = 0
    /// The size of files and links.
    package var bytes = 0
    /// Everything but folders that the rules keep back.
    package var excludedFiles = 0
    /// The five largest files, the largest first.
    package var largest: [SizedPath] = []
    /// The longest path in bytes, of files and folders alike.
    package var longestPath: [UInt8] = []
    package var warnings: [BuildWarning] = []
    /// Whether compressing the context is worth the work where the connection is slow.
    package var shrinks = false
    var hasNamesOfSeveralLines = false
    /// What stays behind, where that can be told one by one.
    var exclusions: [[UInt8]]?

    package struct SizedPath: Equatable, Sendable {
        package let path: String
        package let bytes: Int
    }
}

/// Adds up what a walk hands out.
struct ContextTally {
    private(set) var summary = ContextSummary()
    private var findings: [WarningCode: Findings] = [:]

    private static let largestShown = 5

    private static let openings: [(WarningCode, String)] = [
        (.contextEnvFile, "the context carries environment files, which often hold secrets"),
        (.contextGitFolder, "the context carries Git's own data"),
        (.contextPrivateKey, "the context carries private keys"),
        (.contextSpecialFile, "the context carries sockets, FIFOs or devices, which not every runner can take"),
    ]

    private struct Findings {
        var first: [String] = []
        var count = 0
    }

    mutating func add(_ entry: ContextEntry) {
        if entry.path.count > summary.longestPath.count { summary.longestPath = Array(entry.path) }
        if !summary.hasNamesOfSeveralLines, entry.path.contains(UInt8(ascii: "\n")) {
            summary.hasNamesOfSeveralLines = true
        }
        switch entry.kind {
        case .folder:
            summary.folders += 1
        case .file(let bytes):
            summary.files += 1
            summary.bytes = summary.bytes.upToLargest(adding: bytes)
            rank(entry, bytes)
        case .link(let bytes):
            summary.files += 1
            summary.bytes = summary.bytes.upToLargest(adding: bytes)
        case .special:
            summary.files += 1
            note(.contextSpecialFile, entry)
        }
        if let code = SuspiciousNames.finding(entry) { note(code, entry) }
    }

    func finish(excludedFiles: Int, warnings: [BuildWarning]) -> ContextSummary {
        var summary = summary
        summary.excludedFiles = excludedFiles
        summary.warnings = warnings
        for (code, opening) in Self.openings {
            guard let found = findings[code] else { continue }
            let more = found.count - found.first.count
            let names = found.first.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
            summary.warnings.append(BuildWarning(code, "\(opening): \(names)"))
        }
        return summary
    }

    private mutating func rank(_ entry: ContextEntry, _ bytes: Int) {
        if summary.largest.count == Self.largestShown, let least = summary.largest.last, bytes < least.bytes { return }
        let sized = ContextSummary.SizedPath(path: entry.pathText, bytes: bytes)
        // A folder's entries come in the order of the file system, so names decide between files of equal size.
        let rank = summary.largest.firstIndex { ($0.bytes, sized.path) < (sized.bytes, $0.path) }
        summary.largest.insert(sized, at: rank ?? summary.largest.endIndex)
        if summary.largest.count > Self.largestShown { summary.largest.removeLast() }
    }

    private mutating func note(_ code: WarningCode, _ entry: ContextEntry) {
        var found = findings[code] ?? Findings()
        found.count += 1
        // Keeps the names that sort first, so that the message is the same on every file system.
        found.first = Array((found.first + [entry.pathText]).sorted().prefix(3))
        findings[code] = found
    }
}
