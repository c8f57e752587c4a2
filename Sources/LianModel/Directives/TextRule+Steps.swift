/// The rules of what is said of a Dockerfile's steps, and of the image that they make.
extension TextRule {
    package static let annotationName = TextRule(
        sentence:
            "must be an annotation's name like org.opencontainers.image.title, or TYPE:NAME with manifest, index, "
            + "manifest-descriptor or index-descriptor as the type"
    ) { AnnotationName($0) != nil }

    package static let hostName = TextRule(
        sentence: "must be a host's name: letters, digits and '._-', a letter or digit first, 128 characters at most",
        holds: TextRule.stage.holds)

    package static let ipAddress = TextRule(
        sentence: "must be an IPv4 or IPv6 address, like 10.0.0.7 or fd00::7"
    ) { isIPv4($0) || isIPv6($0) }

    package static let ulimit = TextRule(
        sentence: "must be TYPE=SOFT or TYPE=SOFT:HARD, like nofile=1024:2048, soft no more than hard; -1 is no limit"
    ) { text in
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, ulimitTypes.contains(String(parts[0])) else { return false }
        let limits = parts[1].split(separator: ":", omittingEmptySubsequences: false).map { limit($0) }
        guard (1...2).contains(limits.count), let soft = limits[0], let hard = limits[limits.count - 1] else {
            return false
        }
        return soft <= hard
    }

    package static let memorySize = TextRule(
        sentence: "must be a size, like 64m or 1g: a whole number of bytes, or one with b, k, m, g or t behind it"
    ) { MemorySize($0) != nil }

    package static let entitlement = TextRule(
        sentence: "must be network.host, security.insecure, device or device=NAME"
    ) { text in
        if ["network.host", "security.insecure", "device"].contains(text) { return true }
        let prefix = "device="
        return text.utf8.starts(with: prefix.utf8)
            && TextRule.plainWord.holds(String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
    }
}

private let ulimitTypes = [
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime",
    "sigpending", "stack",
]

/// `-1`, no limit, is more than any number.
private func limit(_ text: Substring) -> Int? {
    if text == "-1" { return .max }
    guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy(Identifier.isDigit),
        text.utf8.count == 1 || text.utf8.first != UInt8(ascii: "0")
    else { return nil }
    return Int(text)
}

func isIPv4(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4
        && parts.allSatisfy { part in
            part.utf8.count <= 3 && limit(part).map { (0...255).contains($0) } ?? false
        }
}

/// Eight groups, or fewer with one `::` for what is left out.
private func isIPv6(_ text: String) -> Bool {
    let halves = text.split(separator: "::", omittingEmptySubsequences: false)
    let groups = halves.map { half in
        half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false)
    }
    let count = groups.reduce(0) { $0 + $1.count }
    return halves.count <= 2 && (halves.count == 2 ? count <= 7 : count == 8)
        && groups.joined().allSatisfy { group in
            (1...4).contains(group.utf8.count)
                && group.utf8.allSatisfy(Identifier.isHexDigit)
        }
}
