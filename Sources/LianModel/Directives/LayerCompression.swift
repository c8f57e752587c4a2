/// How the layers of an image are compressed.
package struct LayerCompression: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case gzip, zstd, estargz
    }

    package var kind: Kind
    /// The kind's own default where nil.
    package var level: Int?

    /// What the strongest of the kinds knows.
    package static let levels = 0...22
    package static let levelRule =
        "compression_level must stand beside compression, and be 9 at most unless that is zstd"

    package init?(_ kind: Kind, level: Int? = nil) {
        guard level.map({ $0 <= Self.highestLevel(of: kind) }) ?? true else { return nil }
        self.kind = kind
        self.level = level
    }

    package static func highestLevel(of kind: Kind) -> Int { kind == .zstd ? levels.upperBound : 9 }
}
