import LianModel
import Glibc

/// Files that hardly ever belong in an image, recognized by their names and, for keys, by their first bytes.
enum SuspiciousNames {
    static func finding(_ entry: ContextEntry) -> WarningCode? {
        let name = entry.name
        return switch entry.kind {
        case .special: nil
        case .folder: isGit(name) ? .contextGitFolder : nil
        // In a worktree or a submodule `.git` is a file.
        case .file, .link:
            if isGit(name) {
                .contextGitFolder
            } else if isEnvironmentFile(name) {
                .contextEnvFile
            } else if isPrivateKey(entry, name) {
                .contextPrivateKey
            } else {
                nil
            }
        }
    }

    // These are tested for every file, so they are kept as bytes, which compare ten times as fast as strings.

    private static let git = Array(".git".utf8)
    private static let environment = Array(".env".utf8)
    private static let namedEnvironment = Array(".env.".utf8)
    private static let samples = bytes("example", "sample", "template", "dist", "defaults")
    private static let keys = bytes(".pem", ".key", "_rsa", "_dsa", "_ecdsa", "_ed25519", "identity")

    private static func bytes(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    private static func isGit(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        name.count == git.count && name.ends(with: git)
    }

    /// `.env`, `.env.production`, `web.env`, but not the samples that belong to the sources.
    private static func isEnvironmentFile(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        if name.ends(with: environment) { return true }
        return name.starts(with: namedEnvironment) && !samples.contains { name.ends(with: $0) }
    }

    private static let smallestKey = 64
    private static let largestKey = 1 << 16

    /// Opening every file would cost more than the whole walk, so a file is opened only if its name or mode is typical
    /// of keys.
    private static func isPrivateKey(_ entry: ContextEntry, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        guard case .file(let bytes) = entry.kind, smallestKey...largestKey ~= bytes else { return false }
        guard entry.isPrivate || keys.contains(where: { name.ends(with: $0) }) else { return false }
        // Some keys have attributes as text before that line, hence the extra bytes.
        let start = String(decoding: entry.firstBytes(512), as: UTF8.self)
        return start.split(separator: "\n").contains { line in
            line.hasPrefix("-----BEGIN ") && line.contains("PRIVATE KEY")
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    func ends(with ending: [UInt8]) -> Bool {
        guard let baseAddress, count >= ending.count else { return ending.isEmpty }
        return memcmp(baseAddress + (count - ending.count), ending, ending.count) == 0
    }
}
