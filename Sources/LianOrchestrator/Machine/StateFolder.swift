import Glibc
import LianModel
import LianSystem

/// The state folder, locked for one orchestrator from the time the value is made until it ends.
package struct StateFolder: ~Copyable {
    package let path: String
    private let lock: FileDescriptor

    /// Makes the folder where it is missing. Only its owner may see into it: it holds keys and the token.
    package init(_ path: String) throws(ProviderError) {
        // Checked before, so that nothing is made in a folder that is refused, and again once the whole path exists.
        try FoldersAbove.check(path)
        do {
            try makeFolder(path)
        } catch {
            throw ProviderError("the state folder cannot be made: \(error)")
        }
        try FoldersAbove.check(path)
        guard let resolved = realpath(path, nil) else { throw ProviderError("\(SystemError("realpath \(path)"))") }
        let folder = String(cString: resolved)
        free(resolved)
        let status = try Self.status(of: folder, path)
        guard status.st_mode & 0o077 == 0 || chmod(folder, 0o700) == 0 else {
            throw ProviderError("\(SystemError("chmod \(path)"))")
        }
        // The orchestrator would take files that others put there for its own.
        if let problem = Self.strangers(in: folder, status, path) {
            chmod(folder, status.st_mode & 0o7777)
            throw problem
        }
        let raw = open("\(folder)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw ProviderError("\(SystemError("open \(path)/lock"))") }
        let descriptor = FileDescriptor(owning: raw)
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else {
            throw ProviderError("another lian-orchestrator is at work on \(path): stop it, or choose another --state")
        }
        self.path = folder
        lock = descriptor
    }

    private static func status(of folder: String, _ path: String) throws(ProviderError) -> stat {
        var status = stat()
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw ProviderError("the state folder is not a folder: \(path)")
        }
        guard status.st_uid == geteuid() else {
            throw ProviderError("the state folder \(path) belongs to another user: choose another by --state")
        }
        return status
    }

    /// Where others may write, and may have written.
    private static func strangers(in folder: String, _ status: stat, _ path: String) -> ProviderError? {
        guard status.st_mode & 0o022 != 0, (try? folderEntries(folder)) != [] else { return nil }
        return ProviderError(
            "others may write to the state folder \(path), which is not empty: see that all in it is yours and mend it "
                + "by `chmod go-w \(path)`, or choose another by --state")
    }

    /// Why no state can be kept there. Of a folder that there is not yet the uppermost is made, and removed at once:
    /// nothing else tells whether it can be.
    static func obstacle(at path: String) -> ProviderError? {
        do throws(ProviderError) {
            try FoldersAbove.check(path)
            if fileKind(path) != nil {
                return strangers(in: path, try status(of: path, path), path)
            }
        } catch {
            return error
        }
        let there = nearestFolder(path)
        let name = pathBehind(there, of: path).split(separator: "/").first ?? ""
        let first = "\(there)/\(name)"
        guard mkdir(first, 0o700) == 0 else {
            return ProviderError("the state folder cannot be made: \(SystemError("mkdir \(first)"))")
        }
        rmdir(first)
        return nil
    }

    package var store: String { "\(path)/store.sqlite" }

    /// Removes the folder of a trial, which holds nothing that anybody needs any more.
    func remove() {
        for name in ["store.sqlite", "store.sqlite-wal", "lock"] { unlink("\(path)/\(name)") }
        for folder in [RunnerFolder.all(in: path), RunnerFolder.allTrash(in: path), path] { rmdir(folder) }
    }

    package static func token(in file: String) throws(ProviderError) -> String {
        try text(of: file).trimmingLineEnd()
    }

    private static func text(of file: String) throws(ProviderError) -> String {
        do {
            return try readText(file)
        } catch {
            throw ProviderError("the token file \(file) cannot be read: \(error.reason)")
        }
    }

    /// The token made at an earlier start, or a new one if there is none or it was only half written.
    package func ownToken(log: EventLog) throws -> String {
        let file = OrchestratorState.tokenFile(in: path)
        if fileKind(file) != nil {
            let text = try Self.text(of: file)
            if !Self.isCutShort(text) { return text.trimmingLineEnd() }
            log.warning(
                "token_made_anew", "\(file) held no whole token: a new one is made, which clients need to be given")
        }
        let token = Token.newSecret()
        try replaceFile(file, token + "\n")
        return token
    }

    /// Whether the text is what an interrupted write left of a generated token. A text that somebody wrote by hand is a
    /// token.
    private static func isCutShort(_ text: String) -> Bool {
        let isBegun = text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
        return text.trimmingLineEnd().isEmpty || (isBegun && text.utf8.count < Token.secretLength)
    }
}
