/// The peaks of a build's samples: constant in size, however long the build is.
package struct UsagePeaks: Equatable, Sendable {
    /// Cores, as the highest mean over about one second.
    package private(set) var cores: Double?
    /// Megabytes of 2^20 bytes.
    package private(set) var megabytes: Double?
    package private(set) var samples = 0

    private var previous: Sample?

    package init() {}

    private struct Sample: Equatable {
        var seconds: Double
        var microseconds: Double
    }

    /// A line of the wrapper: uptime in seconds, CPU used so far in microseconds, bytes of memory in use. What is no
    /// such line counts for nothing.
    package mutating func add(line: some StringProtocol) {
        let words = line.split(separator: " ").compactMap { Double($0) }
        guard words.count == 3 else { return }
        samples += 1
        megabytes = max(megabytes ?? 0, words[2] / 1_048_576)
        if let previous {
            let elapsed = words[0] - previous.seconds
            // Two samples that lie close together would make a peak out of the clock's coarseness.
            guard elapsed >= 0.5 else { return }
            cores = max(cores ?? 0, (words[1] - previous.microseconds) / 1_000_000 / elapsed)
        }
        previous = Sample(seconds: words[0], microseconds: words[1])
    }

    /// Begins a new series: between two connections nothing is known.
    package mutating func interrupt() {
        previous = nil
    }
}
