import Glibc
import LianModel
import LianSystem

/// Walks a context once and hands out what travels, folders before their contents. Each folder is read to its end
/// before the next one is opened, so one descriptor is enough for any depth.
struct ContextWalk {
    private let root: Int32
    private let rules: IgnoreRules
    private let matcher: IgnoreMatcher
    /// Paths that travel whatever the rules say: the Dockerfile, the ignore file and the links that lead to them.
    private let alwaysTravelling: [[UInt8]]
    private let asksCurrent: Bool
    private let asksBeforeV010: Bool
    private let asksBothAlways: Bool
    private let countsExcluded: Bool
    /// Asked at each name: whether nobody waits for the walk any more.
    private let isGivenUp: () -> Bool

    private let buffer = PathBuffer()
    private(set) var excludedFiles = 0
    /// What stays behind, without what lies below it; nil where that is too much to be told one by one. Known where
    /// files that stay behind are counted.
    private(set) var exclusions: [[UInt8]]? = []
    private var unlisted: [Folder] = []

    private static let mostExclusions = 200

    /// The walk keeps whatever any of the generations keeps. Folders that stay behind are read only to count their
    /// files.
    init(
        root: Int32, rules: IgnoreRules, alwaysTravelling: [[UInt8]],
        generations: Set<BuildKitGeneration> = Set(BuildKitGeneration.allCases), countsExcluded: Bool,
        isGivenUp: @escaping () -> Bool = { false }
    ) {
        self.root = root
        self.rules = rules
        self.alwaysTravelling = alwaysTravelling
        matcher = IgnoreMatcher(rules)
        asksCurrent = generations.contains(.current)
        asksBeforeV010 = generations.contains(.beforeV010) && rules.readableBeforeV010
        asksBothAlways = !asksCurrent || !rules.generationsAgree
        self.countsExcluded = countsExcluded
        self.isGivenUp = isGivenUp
    }

    /// A folder that is being read or waits to be read.
    private final class Folder {
        let path: [UInt8]
        let parent: Folder?
        let access: Access
        /// Whether it has been handed out. An excluded folder is handed out only just before something in it that
        /// travels.
        var isListed: Bool

        init(path: [UInt8], parent: Folder?, access: Access, isListed: Bool) {
            self.path = path
            self.parent = parent
            self.access = access
            self.isListed = isListed
        }
    }

    /// Which generations of BuildKit look into a folder.
    private struct Access {
        /// The rules that matched the folder for the current BuildKit; nil where it does not look into the folder.
        var current: IgnoreMatcher.FolderMatches?
        var isSeenBeforeV010: Bool
        /// Whether the folder itself is excluded. Then it does no harm if it cannot be read.
        var isExcluded: Bool

        var isRead: Bool { current != nil || isSeenBeforeV010 }
    }

    mutating func run(intoFolders: Bool = true, _ visit: (WalkedName) throws -> Void) throws {
        let access = Access(
            current: asksCurrent ? matcher.matchesAtRoot : nil, isSeenBeforeV010: asksBeforeV010, isExcluded: false)
        var waiting = [Folder(path: [], parent: nil, access: access, isListed: true)]
        while let folder = waiting.popLast() {
            let before = waiting.count
            try read(folder, waiting: &waiting, visit)
            // Counting the files that stay behind ends silently when the walk is given up.
            guard !isGivenUp() else { throw CancellationError() }
            guard intoFolders else { return }
            waiting[before...].reverse()
        }
        for folder in unlisted where !folder.isListed { exclude(folder.path) }
    }

    private mutating func read(
        _ folder: Folder, waiting: inout [Folder], _ visit: (WalkedName) throws -> Void
    ) throws {
        buffer.set(folder.path)
        var reader: FolderReader
        do {
            reader = try FolderReader(root: root, path: buffer.cPath)
        } catch {
            // The folder has disappeared since its name was read, or we may not read it and it is excluded anyway.
            let isGone = error.code == ENOENT || error.code == ENOTDIR
            if isGone || error.code == EACCES && folder.access.isExcluded { return }
            throw unreadable(error)
        }
        while let entry = try nextEntry(of: &reader, folder) {
            guard !isGivenUp() else { throw CancellationError() }
            try buffer.set(folder.path, appending: entry.name)
            if try isFolder(entry, in: reader) {
                if let found = try enter(folder, reader, visit) { waiting.append(found) }
            } else if keeps(buffer.path, in: folder.access) {
                try list(folder, visit)
                try visit(name(in: reader))
            } else {
                excludedFiles += 1
                exclude(buffer.path)
            }
        }
    }

    private func nextEntry(of reader: inout FolderReader, _ folder: Folder) throws -> FolderReader.Entry? {
        do {
            return try reader.next()
        } catch {
            buffer.set(folder.path)
            throw unreadable(error)
        }
    }

    private func isFolder(_ entry: FolderReader.Entry, in reader: borrowing FolderReader) throws -> Bool {
        if let isFolder = entry.isFolder { return isFolder }
        return try name(in: reader).status().map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    private func name(in reader: borrowing FolderReader) -> WalkedName {
        WalkedName(path: buffer.path, opening: (reader.descriptor, buffer.cName))
    }

    private func unreadable(_ failure: SystemError) -> LianError {
        .unreadable(buffer.text, failure)
    }

    // What the rules say.

    /// The older generation is asked separately where its answer may differ: where it reads a pattern differently,
    /// where exceptions decide which folders are looked into, and for names with a newline, which it takes for an end.
    private func asksBoth(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        asksBeforeV010 && (asksBothAlways || path.contains(UInt8(ascii: "\n")))
    }

    private func keeps(_ path: UnsafeBufferPointer<UInt8>, in access: Access) -> Bool {
        if let matches = access.current, !matcher.excludes(path, in: matches) { return true }
        if access.isSeenBeforeV010, asksBoth(path), !matcher.excludesBeforeV010(path) { return true }
        return alwaysTravelling.contains { $0.elementsEqual(path) }
    }

    /// Decides about a folder, and returns it if it has to be read.
    private mutating func enter(
        _ parent: Folder, _ reader: borrowing FolderReader, _ visit: (WalkedName) throws -> Void
    ) throws -> Folder? {
        let path = buffer.path
        var access = Access(current: nil, isSeenBeforeV010: false, isExcluded: true)
        if let matches = parent.access.current {
            let verdict = matcher.excludesFolder(path, in: matches)
            access.isExcluded = verdict.isExcluded
            if !verdict.isExcluded || matcher.looksInto(excludedFolder: path) { access.current = verdict.matches }
        }
        var isListed = !access.isExcluded
        if parent.access.isSeenBeforeV010 {
            let isExcluded = asksBoth(path) ? matcher.excludesBeforeV010(path) : access.isExcluded
            // BuildKit before v0.10 sends each folder that it looks into, even an empty one.
            access.isSeenBeforeV010 = !isExcluded || matcher.looksIntoBeforeV010(excludedFolder: path)
            access.isExcluded = access.isExcluded && isExcluded
            isListed = isListed || access.isSeenBeforeV010
        }
        let holdsWhatTravels = alwaysTravelling.contains { travelling in
            travelling.count > path.count && travelling[path.count] == GoText.slash && travelling.starts(with: path)
        }
        guard access.isRead || holdsWhatTravels else {
            if countsExcluded { excludedFiles += countFiles(below: Array(path)) }
            exclude(path)
            return nil
        }
        let folder = Folder(path: Array(path), parent: parent, access: access, isListed: false)
        if isListed { try list(folder, visit) } else if exclusions != nil { unlisted.append(folder) }
        return folder
    }

    // What is handed out.

    /// Hands out a folder, after the folders above it.
    private func list(_ folder: Folder, _ visit: (WalkedName) throws -> Void) throws {
        guard !folder.isListed else { return }
        if let parent = folder.parent { try list(parent, visit) }
        folder.isListed = true
        try folder.path.withUnsafeBufferPointer { path in
            try visit(WalkedName(path: path, opening: nil))
        }
    }

    // What stays behind.

    private mutating func exclude(_ path: some Collection<UInt8>) {
        guard countsExcluded, let known = exclusions else { return }
        exclusions = known.count < Self.mostExclusions ? known + [Array(path)] : nil
    }

    /// Counts files by their names alone. What cannot be read is not counted, since it does not travel anyway.
    private func countFiles(below folder: [UInt8]) -> Int {
        var count = 0
        var waiting = [folder]
        let nested = PathBuffer()
        while !isGivenUp(), let folder = waiting.popLast() {
            nested.set(folder)
            guard var reader = try? FolderReader(root: root, path: nested.cPath) else { continue }
            while !isGivenUp(), let entry = try? reader.next() {
                if entry.isFolder == false {
                    count += 1
                } else if (try? nested.set(folder, appending: entry.name)) != nil {
                    var status = stat()
                    let isFolder =
                        entry.isFolder
                        ?? (fstatat(root, nested.cPath, &status, AT_SYMLINK_NOFOLLOW) == 0
                            && status.st_mode & S_IFMT == S_IFDIR)
                    if isFolder { waiting.append(Array(nested.path)) } else { count += 1 }
                }
            }
        }
        return count
    }
}
