import FoundationEssentials

/// A public SSH host key, as it stands on an authorized_keys or known_hosts line.
package struct HostKey: Equatable, Hashable, Sendable {
    /// As in "ssh-ed25519".
    package let type: String
    package let blob: [UInt8]

    /// `type base64 [comment]`. Nil unless the base64 decodes to a key that names the same type.
    package init?(authorizedKeysLine line: String) {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, let data = Data(base64Encoded: String(words[1])) else { return nil }
        let blob = [UInt8](data)
        let type = [UInt8](words[0].utf8)
        // SSH strings are length-prefixed, and the first one of a key is its type.
        guard blob.count > 4 + type.count,
            blob.prefix(4).reduce(0, { $0 << 8 | Int($1) }) == type.count, blob.dropFirst(4).starts(with: type)
        else { return nil }
        self.type = String(words[0])
        self.blob = blob
    }
}
