import LianModel

/// What comes of an artifact's build.
package struct ArtifactOutputs: Equatable, Sendable {
    /// Whether an image is made for its registry.
    package var makesImage = true
    /// Whether that image is pushed.
    package var pushes: Bool
    /// What is brought to the caller.
    package var brought: [BroughtOutput] = []

    package init(makesImage: Bool = true, pushes: Bool, brought: [BroughtOutput] = []) {
        self.makesImage = makesImage
        self.pushes = makesImage && pushes
        self.brought = brought
    }

    /// Whether there has to be a name for an image.
    var needsImage: Bool { makesImage || brought.contains { $0.place == .engine } }
}

/// What is brought from the runner to the caller.
package struct BroughtOutput: Equatable, Sendable {
    package enum Place: Equatable, Sendable {
        /// A path, absolute.
        case folder(String)
        case file(String)
        /// The caller's Docker, or Podman.
        case engine
    }

    /// As buildctl calls it.
    package let kind: BuildOutput.Kind
    package let place: Place

    package init(_ kind: BuildOutput.Kind, to place: Place) {
        self.kind = kind
        self.place = place
    }

    /// nil for what no path leads to.
    package var path: String? {
        switch place {
        case .folder(let path), .file(let path): path
        case .engine: nil
        }
    }

    /// As the envelope calls it.
    package var word: String { place == .engine ? "load" : kind.rawValue }
}
