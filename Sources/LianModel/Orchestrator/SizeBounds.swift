/// The bounds within which a size may be asked for a runner.
package enum SizeBounds {
    package static let cpu = 1...256
    /// Of a tier's disk.
    package static let diskGB = 1.0...1_048_576.0
    package static let memoryGB = 0.5...2048
    package static let timeBudgetMinutes = 1...1440
}
