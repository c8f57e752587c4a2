/// What a build uses at one moment.
package struct UsageSample: Equatable, Sendable {
    /// The mean since the previous sample; nil for the first sample.
    package var cores: Double?
    /// Megabytes of 2^20 bytes.
    package var megabytes: Double

    package init(cores: Double?, megabytes: Double) {
        self.cores = cores
        self.megabytes = megabytes
    }
}
