import LianModel

/// A registry that could not answer at this moment, as the engine's own error tells: worth asking again. Not one that
/// refuses, or has not what it was asked for.
package struct RegistryTrouble: Equatable, Sendable {
    /// How long the registry asked to be left alone; nil where it did not, or its words did not come here.
    package let pause: Duration?

    /// Nil where the error has another cause. `said` is one line of it, without what stands in quotes.
    init?(_ said: some StringProtocol) {
        guard Self.signsOfARegistry.contains(where: { said.range(ofFirst: $0) != nil }), Self.isTransient(said) else {
            return nil
        }
        pause = Self.pause(said)
    }

    /// What BuildKit, containerd and Docker say of registries alone.
    private static let signsOfARegistry = [
        "failed to push ", "failed to resolve source metadata for ", "failed to resolve image",
        "failed to do request: ",
        "failed to authorize: ", "failed to fetch anonymous token", "failed to fetch oauth token", "httpReadSeeker: ",
        "unexpected status from ", "unexpected status code ", "unexpected status: ", "pulling from host ",
        "unexpected HTTP status: ", "error parsing HTTP ", "toomanyrequests",
    ]

    private static let transientWords = [
        "toomanyrequests", "connection reset by peer", "connection refused", "connection timed out", "broken pipe",
        "i/o timeout", "handshake timeout", "deadline exceeded", "Client.Timeout", "no route to host",
        "network is unreachable", "server closed idle connection", "Temporary failure in name resolution",
        "server misbehaving", ": unavailable", "unavailable: ", ": EOF", "unexpected EOF",
    ]

    private static func isTransient(_ said: some StringProtocol) -> Bool {
        transientWords.contains { said.range(ofFirst: $0) != nil } || statuses(said).contains(where: isTransient)
    }

    private static func isTransient(_ status: Int) -> Bool {
        status == 408 || status == 429 || (500...599).contains(status)
    }

    /// Numbers of three digits behind a colon or the word HTTP: `unexpected status: 503 Service Unavailable`.
    private static func statuses(_ said: some StringProtocol) -> [Int] {
        let words = said.split(separator: " ")
        return zip(words, words.dropFirst()).compactMap { before, word in
            let isNumber = word.utf8.count == 3 && word.utf8.allSatisfy(Identifier.isDigit)
            return isNumber && (before.hasSuffix(":") || before == "HTTP") ? Int(word) : nil
        }
    }

    /// `retry-after: 149.479µs`, as Go writes a duration, or a number of seconds.
    private static func pause(_ said: some StringProtocol) -> Duration? {
        let lowered = said.lowercased()
        guard let label = lowered.range(ofFirst: "retry-after: ") else { return nil }
        var rest = lowered[label.upperBound...]
        var seconds: Double?
        while true {
            let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            guard let value = OutsideNumber.decimal(number, in: 0...1e9) else { break }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter || $0 == "µ" }
            guard let factor = unitsInSeconds[String(unit)] else { break }
            rest = rest.dropFirst(unit.count)
            seconds = (seconds ?? 0) + value * factor
        }
        return seconds.map { .seconds($0) }
    }

    private static let unitsInSeconds = [
        "": 1, "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
    ]
}
