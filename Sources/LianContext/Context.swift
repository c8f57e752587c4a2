import Glibc
import LianModel
import LianSystem

/// A folder that a build takes its files from, with the rules that say which of them travel.
package final class Context: Sendable {
    package let root: String
    /// The file that BuildKit will read, relative to the root; nil for an extra context. BuildKit has to be told the
    /// path that was asked for: it finds a lower-case `dockerfile` itself, but names the ignore file after the path
    /// asked for.
    package let dockerfile: String?
    /// The ignore file in force, relative to the root.
    package let ignoreFile: String?
    package let rules: IgnoreRules

    private let folder: FileDescriptor
    private let alwaysTravelling: [[UInt8]]
    private let warnings: [BuildWarning]

    /// The rules as rsync's own filters; nil where rsync would read them differently.
    private let filters: [String]?

    /// Opens a context. Without a Dockerfile it is an extra context, which has no ignore file but `.dockerignore`.
    package init(root: String, dockerfile: String?) throws(LianError) {
        self.root = root
        folder = try Self.openRoot(root)
        var travelling: [[UInt8]] = []
        var warnings: [BuildWarning] = []
        let files = ContextFiles(root: folder.raw)
        if let dockerfile {
            let found = try files.dockerfile(dockerfile, context: root)
            self.dockerfile = found.path
            travelling += found.travelling
        } else {
            self.dockerfile = nil
        }
        let found = try files.ignoreFile(dockerfile: dockerfile, warnings: &warnings)
        ignoreFile = found?.path
        if let found {
            rules = try IgnoreRules(parsing: found.content, name: found.path)
            travelling += found.travelling
        } else {
            rules = .none
        }
        alwaysTravelling = travelling
        filters = RsyncFilters.arguments(for: rules, alwaysTravelling: travelling)
        self.warnings = warnings
    }

    /// Walks the context once; throws CancellationError as soon as `isGivenUp` says so.
    package func summary(isGivenUp: @escaping () -> Bool = { false }) throws -> ContextSummary {
        var tally = ContextTally()
        var sample = ByteSample()
        let walk = try walked(isGivenUp: isGivenUp) { entry in
            tally.add(entry)
            sample.add(entry)
        }
        var summary = tally.finish(excludedFiles: walk.excludedFiles, warnings: warnings)
        summary.exclusions = walk.exclusions
        summary.shrinks = sample.shrinks(below: folder.raw)
        return summary
    }

    /// How rsync is told what travels, after the context has been walked.
    package func selection(_ summary: ContextSummary) -> TransferSelection {
        // The generations of BuildKit treat names with a newline differently, whatever the rules say.
        TransferSelection(
            filters: summary.hasNamesOfSeveralLines ? nil : filters, exclusions: summary.exclusions)
    }

    /// Hands rsync's list on, piece by piece. It needs only names, because rsync looks at each file itself.
    package func sendTransferList(
        _ selection: TransferSelection, isGivenUp: @escaping () -> Bool = { false }, to emit: ([UInt8]) throws -> Void
    ) throws {
        try withoutActuallyEscaping(emit) { emit in
            var list = TransferList(emit)
            var walk = ContextWalk(
                root: folder.raw, rules: rules, alwaysTravelling: alwaysTravelling, countsExcluded: false,
                isGivenUp: isGivenUp)
            try walk.run(intoFolders: !selection.rsyncReadsFolders) { try list.add($0.path) }
            try list.finish()
        }
    }

    /// Hands out everything that travels, and returns how many files do not.
    package func walk(
        isGivenUp: @escaping () -> Bool = { false }, _ visit: (ContextEntry) throws -> Void
    ) throws -> Int {
        try walked(isGivenUp: isGivenUp, visit).excludedFiles
    }

    private func walked(
        isGivenUp: @escaping () -> Bool, _ visit: (ContextEntry) throws -> Void
    ) throws -> ContextWalk {
        var walk = ContextWalk(
            root: folder.raw, rules: rules, alwaysTravelling: alwaysTravelling, countsExcluded: true,
            isGivenUp: isGivenUp)
        try walk.run { if let entry = try ContextEntry($0) { try visit(entry) } }
        return walk
    }

    /// What one generation of BuildKit takes of the context by its rules alone. An excluded Dockerfile or ignore file
    /// is not part of it: BuildKit fetches those separately.
    package func walk(
        asReadBy generation: BuildKitGeneration, _ visit: (ContextEntry) throws -> Void
    ) throws {
        var walk = ContextWalk(
            root: folder.raw, rules: rules, alwaysTravelling: [], generations: [generation], countsExcluded: false)
        try walk.run { if let entry = try ContextEntry($0) { try visit(entry) } }
    }

    private static func openRoot(_ root: String) throws(LianError) -> FileDescriptor {
        let descriptor = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor >= 0 { return FileDescriptor(owning: descriptor) }
        let failure = SystemError("open")
        let (message, hint) =
            switch failure.code {
            case ENOENT: ("the context \(root) does not exist", "Name a folder that exists with --context.")
            case ENOTDIR: ("the context \(root) is not a folder", "Name the folder that holds the Dockerfile.")
            default: ("cannot read the context \(root): \(failure.reason)", "Make the folder readable.")
            }
        throw LianError(.contextUnreadable, .resolve, message, hint: hint)
    }
}
