import LianModel

/// What the runner has used at one moment.
package struct UsageReading: Equatable, Sendable {
    /// The uptime.
    package let seconds: Double
    /// CPU used so far.
    package let microseconds: Double
    /// Memory in use.
    package let bytes: Double

    /// The three words of the wrapper's line; nil where the runner could not tell.
    package init?(words: some Collection<some StringProtocol>) {
        let numbers = words.compactMap { OutsideNumber.decimal($0, in: 0...1e18) }
        guard words.count == 3, numbers.count == 3 else { return nil }
        (seconds, microseconds, bytes) = (numbers[0], numbers[1], numbers[2])
    }
}
