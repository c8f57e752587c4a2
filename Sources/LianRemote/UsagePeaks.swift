import LianModel

/// The peaks of a build's samples: constant in size, however long the build is.
package struct UsagePeaks: Equatable, Sendable {
    /// Cores, as the highest mean over about one second.
    package private(set) var cores: Double?
    /// Megabytes of 2^20 bytes.
    package private(set) var megabytes: Double?
    package private(set) var samples = 0
    /// Whether the disk was seen with next to no room.
    package private(set) var diskWasFull = false
    /// The part of a disk that counts as no room: what root alone may still take is not counted in it.
    private static let noRoom = 0.01

    private var previous: UsageReading?

    package init() {}

    /// Takes a line of the wrapper, and returns what it says as far as it can be told. A line that is no reading counts
    /// for nothing.
    @discardableResult
    package mutating func add(line: some StringProtocol) -> UsageSample? {
        guard let reading = UsageReading(words: line.split(separator: " ")) else { return nil }
        var sample = UsageSample(cores: nil, megabytes: count(reading))
        if let previous {
            // Two samples that lie close together would make a peak out of the clock's coarseness.
            guard reading.seconds - previous.seconds >= 0.5 else { return sample }
            sample.cores = raiseCores(from: previous, to: reading, atLeast: 0)
        }
        previous = reading
        return sample
    }

    /// Takes the readings from the two ends of a run. Where the run was over within a second, the peak comes from them
    /// alone: the mean of the second that the run lies in.
    package mutating func add(from start: UsageReading, to end: UsageReading) {
        _ = count(start)
        _ = count(end)
        _ = raiseCores(from: start, to: end, atLeast: 1)
    }

    /// Begins a new series: between two connections nothing is known.
    package mutating func interrupt() {
        previous = nil
    }

    /// Counts the reading as a sample, and returns its megabytes.
    private mutating func count(_ reading: UsageReading) -> Double {
        samples += 1
        if let free = reading.freeDisk, free < Self.noRoom { diskWasFull = true }
        let read = reading.bytes / 1_048_576
        megabytes = max(megabytes ?? 0, read)
        return read
    }

    /// Raises the peak to the mean between the two readings, and returns that mean.
    private mutating func raiseCores(
        from start: UsageReading, to end: UsageReading, atLeast shortest: Double
    ) -> Double {
        let used = max(0, end.microseconds - start.microseconds) / 1_000_000
        let mean = used / max(shortest, end.seconds - start.seconds)
        cores = max(cores ?? 0, mean)
        return mean
    }
}
