import LianModel

/// What the runner has used at one moment.
package struct UsageReading: Equatable, Sendable {
    /// The uptime.
    package let seconds: Double
    /// CPU used so far.
    package let microseconds: Double
    /// Memory in use.
    package let bytes: Double

    /// The part of the disk that is free, from 0 to 1; nil where it was not looked at.
    package let freeDisk: Double?

    /// The words of the wrapper's line, three or five; nil where the runner could not tell.
    package init?(words: some Collection<some StringProtocol>) {
        let numbers = words.compactMap { OutsideNumber.decimal($0, in: 0...1e18) }
        guard [3, 5].contains(words.count), numbers.count == words.count else { return nil }
        (seconds, microseconds, bytes) = (numbers[0], numbers[1], numbers[2])
        freeDisk = numbers.count == 5 && numbers[4] > 0 ? numbers[3] / numbers[4] : nil
    }
}
