/// What hosts take, and so the most that is read here of any archive.
package enum ArchiveLimits {
    package static let entries = 10_000
    /// Of all files together, as the archive's headers have it.
    package static let bytes = 500 << 20
    /// That many times the archive's own bytes, at most.
    package static let ratio = 10
    /// The largest archive that a server takes.
    package static let uploadBytes = 100 << 20

    static let pathBytes = 4095
    static let pathLevels = 64
    static let nameBytes = 255
    /// Of all paths together.
    static let allPathBytes = 4 << 20
    /// What headers and padding may take beside the files' bytes.
    static let frameBytes = 32 << 20
}
