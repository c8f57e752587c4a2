/// What a text has to be, as a sentence and as a test. schemas/rules.ncl holds the same rules with the same sentences.
package struct TextRule: Sendable {
    package let sentence: String
    package let holds: @Sendable (String) -> Bool
}

extension TextRule {
    /// The name of a workspace, an artifact or an actor.
    package static let slug = TextRule(sentence: Identifier.slugRule, holds: Identifier.isSlug)

    package static let line = TextRule(sentence: "must be one line of text, 1 to 256 characters") {
        isLine($0)
    }

    /// Any text a program can be handed.
    package static let value = TextRule(sentence: "must be a string without NUL") { !$0.utf8.contains(0) }

    package static let folder = TextRule(sentence: "must be the path of a folder, not empty, not a URL") {
        isPath($0)
    }

    package static let file = TextRule(sentence: "must be the path of a file, not empty, not a URL") {
        isPath($0)
    }

    package static let innerPath = TextRule(
        sentence: "must be a path inside the context: relative, not empty, without '..'"
    ) { text in
        !text.isEmpty && !text.utf8.contains(0) && text.utf8.first != UInt8(ascii: "/")
            && !text.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
    }

    /// An environment variable or a build argument.
    package static let variableName = TextRule(
        sentence: "must be a variable's name: letters, digits and '_', no digit first, 128 characters at most"
    ) { text in
        isWord(text, of: { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "_") })
            && !text.utf8.prefix(1).allSatisfy(Identifier.isDigit)
    }

    package static let labelName = TextRule(
        sentence: "must be a label's name: letters, digits and '._/-', a letter or digit first, 128 characters at most"
    ) { text in
        isWord(text, of: alphanumeric(or: "._/-")) && text.utf8.prefix(1).allSatisfy(Identifier.isAlphanumeric)
    }

    package static let contextName = TextRule(
        sentence: "must be a context's name: a-z, 0-9 and '._/:-', a letter or digit first, 128 characters at most"
    ) { text in
        isWord(text, of: { isLowercaseAlphanumeric($0) || "._/:-".utf8.contains($0) })
            && text.utf8.prefix(1).allSatisfy(isLowercaseAlphanumeric)
    }

    package static let secretID = TextRule(
        sentence: "must be a secret's id: letters, digits and '._-', no '.' or '-' first, 128 characters at most"
    ) { text in
        isWord(text, of: alphanumeric(or: "._-")) && text.utf8.prefix(1).allSatisfy(alphanumeric(or: "_"))
    }

    package static let agentID = TextRule(
        sentence: "must be an SSH agent's id: letters, digits and '._-', no '.' or '-' first, 128 characters at most",
        holds: TextRule.secretID.holds)

    package static let stage = TextRule(
        sentence: "must be a stage's name: letters, digits and '._-', a letter or digit first, 128 characters at most"
    ) { text in
        isWord(text, of: alphanumeric(or: "._-")) && text.utf8.prefix(1).allSatisfy(Identifier.isAlphanumeric)
    }

    package static let platform = TextRule(sentence: "must be OS/ARCH or OS/ARCH/VARIANT, like linux/amd64") { text in
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return (2...3).contains(parts.count)
            && parts.enumerated().allSatisfy { index, part in
                (1...32).contains(part.utf8.count)
                    && part.utf8.allSatisfy { isLowercaseAlphanumeric($0) || index == 2 && $0 == UInt8(ascii: ".") }
            }
    }

    /// What a repository that is not trusted may use as a name.
    package static let plainWord = TextRule(sentence: "must be 1 to 128 letters, digits and '._:/-'") {
        isWord($0, of: alphanumeric(or: "._:/-"))
    }

    package static let userName = TextRule(sentence: "must be a user's name: one line without ':', 1 to 256 characters")
    { text in
        isLine(text) && !text.utf8.contains(UInt8(ascii: ":"))
    }

    package static let vaultPath = TextRule(
        sentence: "must be MOUNT/PATH#FIELD of letters, digits and '_.-', no part of it '.' or '..'"
    ) {
        VaultPath($0) != nil
    }

    package static let registryHost = TextRule(
        sentence: "must be HOST or HOST:PORT; a host without a port has a dot or is localhost",
        holds: ImageReference.isRegistryHost)

    package static let namespace = TextRule(
        sentence: "must be lower-case words joined by '.', '_', '-' and '/', 255 characters at most"
    ) { text in
        text.utf8.count <= 255 && ImageReference.isRepository(text)
    }

    /// An image reference that can be pushed to.
    package static let taggedReference = TextRule(
        sentence: "must be REGISTRY/NAME:TAG, with no digest; a registry has a dot or a port or is localhost"
    ) { text in
        ImageReference(text).map { $0.tag != nil && $0.digest == nil } ?? false
    }

    /// An image reference that can be pulled, with nothing left to guess.
    package static let pinnedReference = TextRule(
        sentence:
            "must be REGISTRY/NAME with a tag, a digest or both; a registry has a dot or a port or is localhost"
    ) { text in
        ImageReference(text).map { $0.tag != nil || $0.digest != nil } ?? false
    }

    package static let extraContext = TextRule(
        sentence:
            "must be the path of a folder, docker-image:// and REGISTRY/NAME with a tag, a digest or both, or a URL without "
            + "user of a Git repository or a tar archive"
    ) {
        ExtraContext($0) != nil
    }

    package static let contextPlace = TextRule(
        sentence:
            "must be the path of a folder, or a URL without user: https://HOST/NAME.git#REF:FOLDER, git://HOST/NAME.git, "
            + "ssh://git@HOST/NAME.git, git@HOST:NAME.git or https://HOST/NAME.tar.gz"
    ) { ContextPlace($0) != nil }

    static func contextURL(_ text: String) -> Bool {
        guard let rest = text.dropping(anyOf: ["https://", "http://", "git://"]) else { return false }
        return isPlace(rest)
    }

    /// As Git knows it. The user is a name, never with a password.
    static func secureShellURL(_ text: String) -> Bool {
        if let rest = text.dropping(anyOf: ["ssh://"]) {
            let user = rest.prefix { $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "/") }
            guard rest.dropFirst(user.count).first == UInt8(ascii: "@") else { return isPlace(rest) }
            return user.first.map(Identifier.isAlphanumeric) == true && user.allSatisfy(alphanumeric(or: "._-"))
                && isPlace(rest.dropFirst(user.count + 1))
        }
        guard let rest = text.dropping(anyOf: ["git@"]) else { return false }
        let host = rest.prefix { $0 != UInt8(ascii: ":") }
        let path = rest.dropFirst(host.count + 1)
        return !host.isEmpty && host.allSatisfy(alphanumeric(or: "._-")) && !path.isEmpty
            && path.allSatisfy(Identifier.isVisible)
    }

    /// HOST[:PORT]/PATH
    private static func isPlace(_ text: Substring.UTF8View) -> Bool {
        let authority = text.prefix { $0 != UInt8(ascii: "/") }
        return isAuthority(authority) && text.count > authority.count + 1 && text.allSatisfy(Identifier.isVisible)
    }

    package static let orchestratorURL = TextRule(
        sentence: "must be http://HOST[:PORT][/PATH] or https://…, without user, query and fragment"
    ) { text in
        guard let rest = text.dropping(anyOf: ["http://", "https://"]) else { return false }
        let authority = rest.prefix { $0 != UInt8(ascii: "/") }
        return isAuthority(authority) && rest.dropFirst(authority.count).allSatisfy(alphanumeric(or: "._~%/-"))
    }

    package static let natsURL = TextRule(sentence: "must be nats://HOST[:PORT] or tls://HOST[:PORT], without user") {
        text in
        guard let rest = text.dropping(anyOf: ["nats://", "tls://"]) else { return false }
        return isAuthority(rest.last == UInt8(ascii: "/") ? rest.dropLast() : rest)
    }

    package static let subjectPrefix = TextRule(
        sentence: "must be words of letters, digits, '_' and '-' joined by '.', 128 characters at most"
    ) { text in
        isWord(text, of: alphanumeric(or: "_-."))
            && text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty
            }
    }
}

extension TextRule {
    /// Where a program listens.
    package static let listenAddress = TextRule(
        sentence: "must be an address in digits and a port, like 127.0.0.1:9011 or [::1]:0"
    ) { text in
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return false }
        let port = text.utf8[text.utf8.index(after: colon)...]
        guard (1...5).contains(port.count), port.allSatisfy(Identifier.isDigit), UInt16(String(port) ?? "") != nil
        else {
            return false
        }
        let host = text.utf8[..<colon]
        if host.first == UInt8(ascii: "[") {
            return host.count > 2 && host.last == UInt8(ascii: "]")
                && host.dropFirst().dropLast().allSatisfy(isOfAddress)
        }
        return isIPv4(String(Substring(host)))
    }

    package static let workspacePattern = TextRule(sentence: WorkspacePattern.rule) { WorkspacePattern($0) != nil }

    /// The SHA-256 of a token.
    package static let tokenHash = TextRule(
        sentence: "must be sha256: and 64 of 0-9 and a-f, as lian-orchestrator --hash-token prints them"
    ) { text in
        text.utf8.starts(with: "sha256:".utf8) && ImageReference.isDigest(text)
    }

    /// A moment, to the second.
    package static let utcTime = TextRule(sentence: "must be a time in UTC, like 2030-12-31T23:59:59Z") { text in
        guard text.utf8.count == 20, text.utf8.dropFirst(10).first == UInt8(ascii: "T"),
            text.utf8.last == UInt8(ascii: "Z"), let time = UTCTime(rfc3339: text)
        else { return false }
        return time.rfc3339.dropLast(5) == text.dropLast()
    }
}

// Everything is compared byte by byte: Swift's strings treat two spellings of one character as equal.

private func isLowercaseAlphanumeric(_ byte: UInt8) -> Bool {
    Identifier.isLowercase(byte) || Identifier.isDigit(byte)
}

private func alphanumeric(or further: StaticString) -> @Sendable (UInt8) -> Bool {
    { byte in
        Identifier.isAlphanumeric(byte) || further.withUTF8Buffer { $0.contains(byte) }
    }
}

private func isWord(_ text: String, of alphabet: (UInt8) -> Bool) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.allSatisfy(alphabet)
}

private func isOfAddress(_ byte: UInt8) -> Bool {
    Identifier.isHexDigit(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
}

private func isLine(_ text: String) -> Bool {
    (1...256).contains(text.unicodeScalars.count) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
}

private func isPath(_ text: String) -> Bool {
    !text.isEmpty && !text.utf8.contains(0) && !isURL(text)
}

private func isURL(_ text: String) -> Bool {
    let scheme = text.utf8.prefix { $0 != UInt8(ascii: ":") }
    guard let first = scheme.first, Identifier.isLowercase(first | 0x20) else { return false }
    return scheme.allSatisfy(alphanumeric(or: "+.-"))
        && text.utf8.dropFirst(scheme.count).starts(with: "://".utf8)
}

/// HOST or HOST:PORT of a URL.
private func isAuthority(_ text: Substring.UTF8View) -> Bool {
    guard let (host, _) = ImageReference.splitPort(Substring(text)) else { return false }
    return ImageReference.isBracketed(host) || !host.isEmpty && host.utf8.allSatisfy(alphanumeric(or: "._-"))
}

extension String {
    /// The text behind the first of the prefixes that it starts with.
    fileprivate func dropping(anyOf prefixes: [String]) -> Substring.UTF8View? {
        for prefix in prefixes where utf8.starts(with: prefix.utf8) {
            return utf8.dropFirst(prefix.utf8.count)
        }
        return nil
    }
}
