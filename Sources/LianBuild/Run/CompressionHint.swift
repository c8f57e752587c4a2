import LianModel

/// What is told where a build spent much of its time on compressing layers by gzip.
enum CompressionHint {
    private static let leastSeconds = 5.0
    private static let leastPart = 1.0 / 3

    /// `layers` is how long the engine made layers, `build` how long the whole took, both in seconds.
    static func text(_ artifact: ArtifactRequest, layers: Double, build: Double) -> String? {
        guard artifact.compression.map({ $0.kind == .gzip }) ?? true, layers > leastSeconds, layers > build * leastPart
        else { return nil }
        return "\(artifact.name): making its layers took \(Figures.decimal(layers)) s, by gzip; --compression zstd "
            + "(compression = 'zstd in directives) takes less, where all who pull the image can read that"
    }
}
