import LianMarkup
import LianModel
import Synchronization

/// A live part of the page as it is sent.
struct RenderedPart: Sendable {
    let body: [UInt8]
    /// The same for the same body: who has it already is spared it.
    let tag: String

    init(_ markup: Markup) {
        body = Array(markup.text.utf8)
        tag = "\"\(hexadecimal(sha256(body).prefix(16)))\""
    }
}

/// The parts that were rendered lately. All who see the same share them, so that many open pages cost about as much as
/// one.
final class RenderedParts: Sendable {
    struct Key: Hashable {
        let part: String
        private let workspaces: [String]?
        private let quota: Int?

        /// Two tokens for which this is the same see the same in this part.
        init(_ part: String, seenBy token: Token) {
            self.part = part
            workspaces = token.seesAll ? nil : token.workspaces.map(\.text)
            quota = token.maxRunners
        }
    }

    private struct Entry {
        let part: RenderedPart
        let end: ContinuousClock.Instant
    }

    /// How long a part is good; one that takes long to render, as many times as long as that.
    private static let freshness: Duration = .seconds(1)
    private static let restPerWork = 20
    /// How many are kept; where one more would be, all are forgotten.
    private static let most = 16

    private let now: @Sendable () -> ContinuousClock.Instant
    private let entries = Mutex<[Key: Entry]>([:])

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.now = now
    }

    /// The part as it was rendered lately, or else as it is. One at a time is rendered.
    func part(_ key: Key, render: () throws -> Markup) rethrows -> RenderedPart {
        try entries.withLock { entries in
            let start = now()
            if let entry = entries[key], entry.end > start { return entry.part }
            let part = RenderedPart(try render())
            let end = now()
            if entries.count >= Self.most, entries[key] == nil { entries = [:] }
            entries[key] = Entry(part: part, end: end + max(Self.freshness, (end - start) * Self.restPerWork))
            return part
        }
    }
}
