import Synchronization

/// The name of a label, and the values that it has had. Once there are as many as the limit, each further one counts as
/// `other`: whatever clients call their things, the page cannot grow without end.
package final class Label: Sendable {
    package static let other = "other"
    private static let longestValue = 64

    let name: String
    private let limit: Int
    private let known = Mutex<Set<String>>([])

    package init(_ name: String, limit: Int = 32) {
        self.name = name
        self.limit = limit
    }

    /// The value under which this one is counted. One that is itself called `other` is among the others.
    func value(_ text: String) -> String {
        known.withLock { known in
            if known.contains(text) { return text }
            guard text != Self.other, text.utf8.count <= Self.longestValue, known.count < limit else {
                return Self.other
            }
            known.insert(text)
            return text
        }
    }
}
