/// What hardly ever belongs into an image, told by names and, for keys, by the first bytes.
enum SuspiciousNames {
    static func finding(_ entry: ContextEntry) -> ContextWarning.Code? {
        switch entry.kind {
        case .special: nil
        case .folder: entry.name.elementsEqual(".git".utf8) ? .gitFolder : nil
        // In a worktree or a submodule it is a file.
        case .file, .link:
            if entry.name.elementsEqual(".git".utf8) {
                .gitFolder
            } else if isEnvironmentFile(entry.name) {
                .environmentFile
            } else if isPrivateKey(entry) {
                .privateKey
            } else {
                nil
            }
        }
    }

    /// `.env`, `.env.production`, `web.env`, but not the samples that belong to the sources.
    private static func isEnvironmentFile(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        let samples = ["example", "sample", "template", "dist", "defaults"]
        if ends(name, ".env") { return true }
        guard name.starts(with: ".env.".utf8) else { return false }
        return !samples.contains { ends(name, $0) }
    }

    private static let smallestKey = 64
    private static let largestKey = 1 << 16

    /// Opening every file would cost more than the whole walk: only a name or a mode that keys have makes it look.
    private static func isPrivateKey(_ entry: ContextEntry) -> Bool {
        guard case .file(let bytes) = entry.kind, smallestKey...largestKey ~= bytes else { return false }
        guard entry.isPrivate || hasKeyName(entry.name) else { return false }
        // Some keys have attributes in text before the line, hence the few more bytes.
        let start = String(decoding: entry.firstBytes(512), as: UTF8.self)
        return start.split(separator: "\n").contains { line in
            line.hasPrefix("-----BEGIN ") && line.contains("PRIVATE KEY")
        }
    }

    private static func hasKeyName(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        [".pem", ".key", "_rsa", "_dsa", "_ecdsa", "_ed25519", "identity"].contains { ends(name, $0) }
    }

    private static func ends(_ name: UnsafeBufferPointer<UInt8>, _ ending: String) -> Bool {
        name.count >= ending.utf8.count && name.suffix(ending.utf8.count).elementsEqual(ending.utf8)
    }
}
