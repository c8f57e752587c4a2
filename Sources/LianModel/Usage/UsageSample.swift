/// What a build uses at a moment.
package struct UsageSample: Equatable, Sendable {
    /// The mean since the sample before; nil for the first one.
    package var cores: Double?
    /// Megabytes of 2^20 bytes.
    package var megabytes: Double

    package init(cores: Double?, megabytes: Double) {
        self.cores = cores
        self.megabytes = megabytes
    }
}
