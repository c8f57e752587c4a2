import Glibc
import LianModel
import LianSystem

/// Finds the Dockerfile and the ignore file of a context, in the places where BuildKit looks for them.
struct ContextFiles {
    let root: Int32

    private static let defaultDockerfile = "Dockerfile"
    private static let lowercaseDockerfile = "dockerfile"
    private static let defaultIgnoreFile = ".dockerignore"
    /// No ignore file written by a person is nearly as large.
    private static let largestIgnoreFile = 1 << 20

    struct Dockerfile {
        let path: String
        let travelling: [[UInt8]]
    }

    struct IgnoreFile {
        let path: String
        let content: [UInt8]
        let travelling: [[UInt8]]
    }

    func dockerfile(_ path: String, context: String) throws(LianError) -> Dockerfile {
        var lookup = lookUp(path)
        var found = path
        if case .missing = lookup, let lowercase = lowercaseVariant(of: path) {
            let other = lookUp(lowercase)
            if case .file = other { (lookup, found) = (other, lowercase) }
        }
        switch lookup {
        case .file(let file): return Dockerfile(path: found, travelling: file.visited)
        case .escapes:
            throw LianError(
                .dockerfileMissing, .resolve, "the Dockerfile \(path) leads out of the context \(context)",
                hint:
                    "Keep the Dockerfile and what it links to inside the context; its path is relative to the context.")
        case .missing:
            throw LianError(
                .dockerfileMissing, .resolve, "there is no \(path) in the context \(context)", hint: missingHint(path))
        case .notAFile:
            throw LianError(
                .dockerfileMissing, .resolve, "\(path) in the context \(context) is not a file",
                hint: "Name the Dockerfile itself with --dockerfile.")
        case .unreadable(let failure): throw unreadable(path, failure.reason)
        }
    }

    /// BuildKit also accepts `dockerfile` in lower case in the place of `Dockerfile`.
    private func lowercaseVariant(of path: String) -> String? {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard components.last.map(String.init) == Self.defaultDockerfile else { return nil }
        return (components.dropLast() + [Self.lowercaseDockerfile[...]]).joined(separator: "/")
    }

    private func missingHint(_ path: String) -> String {
        let buffer = PathBuffer()
        var candidates: [String] = []
        if var reader = try? FolderReader(root: root, path: buffer.cPath) {
            while let entry = try? reader.next() {
                let name = String(decoding: entry.name, as: UTF8.self)
                if entry.isFolder != true, name.lowercased().contains("dockerfile"),
                    !name.hasSuffix(Self.defaultIgnoreFile)
                {
                    candidates.append(name)
                }
            }
        }
        guard let near = nearestName(to: path, among: candidates) ?? candidates.min() else {
            return "Name it with --dockerfile, relative to the context."
        }
        return "Did you mean --dockerfile \(near)?"
    }

    /// The Dockerfile's own ignore file if there is one, else the context's.
    func ignoreFile(dockerfile: String?, warnings: inout [BuildWarning]) throws(LianError) -> IgnoreFile? {
        let own = dockerfile.map { $0 + Self.defaultIgnoreFile }
        for path in [own, Self.defaultIgnoreFile].compactMap(\.self) {
            switch lookUp(path) {
            case .file(let file):
                return IgnoreFile(path: path, content: try read(file, path), travelling: file.visited)
            case .escapes:
                warnings.append(
                    BuildWarning(
                        .ignoreFileUnused,
                        "\(path) links out of the context, where BuildKit cannot follow it: no rule of it holds"))
            case .missing, .notAFile: continue
            case .unreadable(let failure): throw unreadable(path, failure.reason)
            }
        }
        return nil
    }

    private func unreadable(_ path: String, _ reason: String) -> LianError {
        LianError(
            .contextUnreadable, .resolve, "cannot read \(path) in the context: \(reason)",
            hint: "Make it readable.")
    }

    private func read(_ file: FoundFile, _ path: String) throws(LianError) -> [UInt8] {
        do {
            let opened = try RegularFile.open(file.resolved, in: root, followingLinks: false)
            return try opened.read(limit: Self.largestIgnoreFile)
        } catch {
            guard case .tooLarge = error else { throw unreadable(path, error.reason) }
            throw LianError(
                .ignoreFileInvalid, .resolve, "\(path) is larger than \(Self.largestIgnoreFile >> 20) MiB",
                hint: "Write patterns that cover many names instead of the names.")
        }
    }

    // Following links, but only inside the context.

    private struct FoundFile {
        /// The path after all links have been followed.
        let resolved: String
        /// The links on the way, and the file itself.
        let visited: [[UInt8]]
    }

    private enum Lookup {
        case file(FoundFile)
        case missing
        case notAFile
        case escapes
        case unreadable(SystemError)
    }

    private static let mostLinks = 40

    private func lookUp(_ path: String) -> Lookup {
        guard !path.hasPrefix("/") else { return .escapes }
        var waiting = Array(path.split(separator: "/").map(String.init).reversed())
        var walked: [String] = []
        var visited: [[UInt8]] = []
        var status = stat()
        status.st_mode = S_IFDIR
        while let component = waiting.popLast() {
            if component == "." { continue }
            if component == ".." {
                guard walked.popLast() != nil else { return .escapes }
                status.st_mode = S_IFDIR
                continue
            }
            walked.append(component)
            let here = walked.joined(separator: "/")
            guard fstatat(root, here, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                return [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) ? .missing : .unreadable(SystemError("fstatat"))
            }
            guard status.st_mode & S_IFMT == S_IFLNK else { continue }
            visited.append(Array(here.utf8))
            guard visited.count <= Self.mostLinks, let target = linkTarget(here) else { return .missing }
            guard !target.hasPrefix("/") else { return .escapes }
            walked.removeLast()
            status.st_mode = S_IFDIR
            waiting += target.split(separator: "/").map(String.init).reversed()
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .notAFile }
        let resolved = walked.joined(separator: "/")
        return .file(FoundFile(resolved: resolved, visited: visited + [Array(resolved.utf8)]))
    }

    private func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlinkat(root, path, start, buffer.count)
            guard count > 0 else { return nil }
            return String(validating: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
