extension Sequence where Element: Equatable {
    /// Each once, in the order in which they come first.
    package var eachOnce: [Element] {
        reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}
