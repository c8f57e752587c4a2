/// A fully qualified name of an image, by the grammar of the distribution project:
/// REGISTRY/REPOSITORY[:TAG][@DIGEST].
package struct ImageReference: Equatable, Hashable, Sendable {
    /// The registry, with its port where it has one.
    package let host: String
    package let repository: String
    package let tag: String?
    package let digest: String?

    package static let maximumNameLength = 255
    package static let maximumTagLength = 128

    /// nil where the text is no reference or names no registry. As for Docker, a registry has a dot or a port, or is
    /// localhost.
    package init?(_ text: String) {
        guard let slash = text.unicodeScalars.firstIndex(of: "/") else { return nil }
        host = String(text[..<slash])
        // By scalars: a separator with a combining mark behind it would be another Character.
        var rest = Substring(text.unicodeScalars[slash...].dropFirst())
        digest = Self.cut(&rest, at: "@")
        tag = Self.cut(&rest, at: ":")
        repository = String(rest)
        guard Self.isRegistryHost(host), Self.isRepository(repository),
            host.utf8.count + 1 + repository.utf8.count <= Self.maximumNameLength,
            tag.map(Self.isTag) ?? true, digest.map(Self.isDigest) ?? true
        else { return nil }
    }

    /// Registry and repository, without tag and digest.
    package var name: String { "\(host)/\(repository)" }

    /// Cuts the text at the first separator and returns what was behind it.
    private static func cut(_ text: inout Substring, at separator: Unicode.Scalar) -> String? {
        guard let position = text.unicodeScalars.firstIndex(of: separator) else { return nil }
        defer { text = text[..<position] }
        return String(text.unicodeScalars[position...].dropFirst())
    }
}

extension ImageReference: CustomStringConvertible, JSONEncodable {
    package var description: String {
        name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    package var json: JSONValue { .string(description) }
}

extension ImageReference {
    /// HOST or HOST:PORT. A host without a port has a dot or is localhost; anything else is the first part of a
    /// repository.
    package static func isRegistryHost(_ text: String) -> Bool {
        guard let (host, port) = splitPort(text[...]) else { return false }
        if isBracketed(host) { return true }
        let labels = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return labels.allSatisfy(isHostLabel) && (labels.count > 1 || port != nil || host == "localhost")
    }

    /// Words of a-z and 0-9 joined by '.', '_', '__' or dashes, in parts joined by '/'.
    package static func isRepository(_ text: String) -> Bool {
        text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy(isSegment)
    }

    package static func isTag(_ text: String) -> Bool {
        (1...maximumTagLength).contains(text.utf8.count)
            && text.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "_.-".utf8.contains($0) }
            && !text.utf8.prefix(1).contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    package static func isDigest(_ text: String) -> Bool {
        let lengths = ["sha256": 64, "sha384": 96, "sha512": 128]
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = lengths[String(parts[0])] else { return false }
        return parts[1].utf8.count == length
            && parts[1].utf8.allSatisfy(Identifier.isLowercaseHexDigit)
    }

    /// The host, and the port if there is one; nil if what should be a port is not one.
    static func splitPort(_ text: Substring) -> (host: Substring, port: Int?)? {
        let closing = text.utf8.lastIndex(of: UInt8(ascii: "]")) ?? text.startIndex
        guard let colon = text.utf8[closing...].firstIndex(of: UInt8(ascii: ":")) else { return (text, nil) }
        let digits = text.utf8[colon...].dropFirst()
        guard (1...5).contains(digits.count), digits.allSatisfy(Identifier.isDigit),
            digits.first != UInt8(ascii: "0"), let port = Int(Substring(digits)), port <= 65535
        else { return nil }
        return (text[..<colon], port)
    }

    /// An IPv6 address in brackets.
    static func isBracketed(_ host: Substring) -> Bool {
        let inner = host.utf8.dropFirst().dropLast()
        return host.utf8.count > 2 && host.utf8.first == UInt8(ascii: "[") && host.utf8.last == UInt8(ascii: "]")
            && inner.allSatisfy {
                Identifier.isHexDigit($0) || $0 == UInt8(ascii: ":")
            }
    }

    private static func isHostLabel(_ label: Substring.UTF8View) -> Bool {
        guard let first = label.first, let last = label.last else { return false }
        return Identifier.isAlphanumeric(first) && Identifier.isAlphanumeric(last)
            && label.allSatisfy { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isSegment(_ segment: Substring.UTF8View) -> Bool {
        var separator: [UInt8] = []
        var wordSeen = false
        for byte in segment {
            if Identifier.isLowercase(byte) || Identifier.isDigit(byte) {
                guard separator.isEmpty || wordSeen && isSeparator(separator) else { return false }
                wordSeen = true
                separator = []
            } else {
                separator.append(byte)
            }
        }
        return wordSeen && separator.isEmpty
    }

    private static func isSeparator(_ bytes: [UInt8]) -> Bool {
        bytes.elementsEqual(".".utf8) || bytes.elementsEqual("_".utf8) || bytes.elementsEqual("__".utf8)
            || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
    }
}
