import LianModel
import LianSystem

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

    /// Why it and another cannot both be brought, by whatever links their paths lead to their places; nil where they can.
    func collision(with other: BroughtOutput) -> String? {
        guard let path, let otherPath = other.path else { return nil }
        let (own, its) = (Self.landing(path), Self.landing(otherPath))
        if own == its {
            return path == otherPath ? "\(path) is named twice" : "\(path) and \(otherPath) are one place"
        }
        let below = { (inner: String, file: String) in "\(inner) is below \(file), which is a file" }
        if case .file = place, isPath(its, within: own) { return below(otherPath, path) }
        if case .file = other.place, isPath(own, within: its) { return below(path, otherPath) }
        return nil
    }

    /// Where a path leads, also where not all of it is there yet.
    static func landing(_ path: String) -> String {
        let near = nearestFolder(path)
        return absolutePath("\(realPath(near) ?? near)\(pathBehind(near, of: path))", from: "/")
    }

    /// As the envelope calls it.
    package var word: String { place == .engine ? "load" : kind.rawValue }
}
