/// Who builds: CI, or the actor of one session.
package enum CacheOwner: Equatable, Sendable {
    case ci
    case session(actor: String)
}

/// A cache reference that would let one side's cache reach the other's.
package struct CacheForbidden: Error, Equatable, Sendable {
    package let reference: String
    package let reason: String
}

/// The two layers of a workspace's cache. `ci/` is canonical and written by CI alone; each session has a `dev/` of
/// its own and reads `ci/`. CI never reads any `dev/`.
package struct CacheLayers: Equatable, Sendable {
    /// Host, and namespace where there is one: what all of this build's cache references start with. nil for a build that
    /// has no registry.
    package let root: String?
    package let workspace: String
    package let owner: CacheOwner

    package init(registry: String?, namespace: String?, workspace: String, owner: CacheOwner) {
        root = registry.map { registry in namespace.map { "\(registry)/\($0)" } ?? registry }
        self.workspace = workspace
        self.owner = owner
    }

    package func imports(artifact: String) -> [String] { folders.compactMap { reference($0, artifact) } }

    package func exports(artifact: String) -> [String] { folders.prefix(1).compactMap { reference($0, artifact) } }

    /// The parts of a store that this owner reads. A registry's cache, whose name says which layer it is, is left as it
    /// was written.
    package func imports(_ store: CacheStore, artifact: String) -> [CacheStore] {
        store.reference == nil ? folders.map { store.below("\($0)/\(artifact)") } : [store]
    }

    /// The part of a store that this owner writes.
    package func export(_ store: CacheStore, artifact: String) -> CacheStore {
        folders.first.map { store.below("\($0)/\(artifact)") } ?? store
    }

    /// The volume's names in the same layers, in the order in which they are looked for, and the one to write; nil where
    /// a name would be too long for a volume's.
    package func volumes(named name: String) -> (from: [VolumeName], to: VolumeName)? {
        let names = folders.compactMap { VolumeName("\($0)/\(name)") }
        guard names.count == folders.count, let own = names.first else { return nil }
        return (names, own)
    }

    /// Checks a reference that somebody wrote by hand.
    package func checkImport(_ reference: String) throws(CacheForbidden) {
        guard isDevelopment(reference) else { return }
        switch owner {
        case .ci:
            throw CacheForbidden(reference: reference, reason: "CI never imports from a session's dev/ cache")
        case .session(let actor):
            guard isBelow(reference, devFolder(actor)) else {
                throw CacheForbidden(
                    reference: reference,
                    reason: "a session reads no dev/ cache but its own, \(own(devFolder(actor)))")
            }
        }
    }

    package func checkExport(_ reference: String) throws(CacheForbidden) {
        switch owner {
        case .ci:
            guard !isDevelopment(reference) else {
                throw CacheForbidden(reference: reference, reason: "CI never writes to a session's dev/ cache")
            }
        case .session(let actor):
            guard isBelow(reference, devFolder(actor)) else {
                throw CacheForbidden(
                    reference: reference, reason: "a session writes only to its own cache, \(own(devFolder(actor)))")
            }
        }
    }

    /// The layers that the owner reads, in the order in which they are looked for; it writes the first.
    private var folders: [String] {
        switch owner {
        case .ci: [ciFolder]
        case .session(let actor): [devFolder(actor), ciFolder]
        }
    }

    private var ciFolder: String { "ci/\(workspace)" }

    /// Neither name has two hyphens in a row, so doubling the hyphens of the actor keeps all pairs of actor and
    /// workspace apart: `a-b` with `c` is `a--b-c`, `a` with `b-c` is `a-b-c`.
    private func devFolder(_ actor: String) -> String {
        let doubled = actor.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "--")
        return "dev/\(doubled)-\(workspace)"
    }

    private func reference(_ folder: String, _ artifact: String) -> String? {
        root.map { "\($0)/\(folder)/\(artifact):cache" }
    }

    private func own(_ folder: String) -> String {
        root.map { "\($0)/\(folder)/" } ?? "below the registry of its image, and this build has no image"
    }

    private func isBelow(_ reference: String, _ folder: String) -> Bool {
        root.map { reference.hasPrefix("\($0)/\(folder)/") } ?? false
    }

    /// Below our own root the first segment is the layer. Elsewhere others decide about the layout, so any segment
    /// `dev` counts.
    private func isDevelopment(_ reference: String) -> Bool {
        if let root, reference.hasPrefix(root + "/") {
            let rest = reference.dropFirst(root.count + 1)
            return name(of: rest).first == "dev"
        }
        return name(of: Substring(reference)).dropFirst().contains("dev")
    }

    /// The path segments of a reference, less tag and digest.
    private func name(of reference: Substring) -> [Substring] {
        let undigested = reference.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)[0]
        var segments = undigested.split(separator: "/", omittingEmptySubsequences: false)
        // A colon in the last segment starts the tag; in the first of several it is the registry's port.
        if let last = segments.popLast() {
            segments.append(last.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)[0])
        }
        return segments
    }
}
