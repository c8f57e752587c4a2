/// The peaks of a build's samples: constant in size, however long the build is.
package struct UsagePeaks: Equatable, Sendable {
    /// Cores, as the highest mean over about one second.
    package private(set) var cores: Double?
    /// Megabytes of 2^20 bytes.
    package private(set) var megabytes: Double?
    package private(set) var samples = 0

    private var previous: UsageSample?

    package init() {}

    /// A line of the wrapper. What is no such line counts for nothing.
    package mutating func add(line: some StringProtocol) {
        guard let sample = UsageSample(words: line.split(separator: " ")) else { return }
        count(sample)
        if let previous {
            // Two samples that lie close together would make a peak out of the clock's coarseness.
            guard sample.seconds - previous.seconds >= 0.5 else { return }
            raiseCores(from: previous, to: sample, atLeast: 0)
        }
        previous = sample
    }

    /// The two ends of a run. One that was over within a second has its peak from them alone: the mean of the second
    /// that it lies in.
    package mutating func add(from start: UsageSample, to end: UsageSample) {
        count(start)
        count(end)
        raiseCores(from: start, to: end, atLeast: 1)
    }

    /// Begins a new series: between two connections nothing is known.
    package mutating func interrupt() {
        previous = nil
    }

    private mutating func count(_ sample: UsageSample) {
        samples += 1
        megabytes = max(megabytes ?? 0, sample.bytes / 1_048_576)
    }

    private mutating func raiseCores(from start: UsageSample, to end: UsageSample, atLeast shortest: Double) {
        let elapsed = max(shortest, end.seconds - start.seconds)
        cores = max(cores ?? 0, (end.microseconds - start.microseconds) / 1_000_000 / elapsed)
    }
}
