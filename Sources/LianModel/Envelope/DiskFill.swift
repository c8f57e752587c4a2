/// What filled the runner's disk, as far as it can be told.
package enum DiskFill: String, CaseIterable, Sendable {
    /// What a step wrote, or what was fetched for one.
    case layers
    /// A step that has cache mounts, which grow beside its layer.
    case cacheMounts = "cache_mounts"
    /// The files that were sent.
    case context
    /// The image while it was made of its layers.
    case export
}
