import LianModel

/// One generation of a volume.
struct VolumeGeneration: Equatable, Sendable {
    enum State: String, Sendable {
        /// It is being kept.
        case making
        /// The newest one, of which runners get clones.
        case head
        /// It goes once nobody uses it.
        case old
        /// An engine did not start on a clone of it. Its files go once nobody uses it; that it was there is remembered
        /// until another one is kept.
        case damaged
    }

    /// The runner that made it: each keeps one at most.
    var id: String
    var name: VolumeName
    var workspace: String
    var number: Int
    var engine: EngineKind
    var platform: String
    var provider: String
    var bytes: Int
    var executedMS: Int
    /// Milliseconds since 1970.
    var createdAt: Int
    /// When it was last handed out, or else was made.
    var used: Moment
    var state: State
    /// Where it lies. Runners of other places begin without it.
    var place: Place
}

/// What a runner has of a volume.
struct VolumeLending: Equatable, Sendable {
    var runnerID: String
    var workspace: String
    /// The generation that it got a clone of; nil where it began empty.
    var generation: String?
    /// The volume that it may be kept as.
    var to: VolumeName?
    /// The number of that volume's head when the runner began; 0 where there was none.
    var head: Int
    var engine: EngineKind
    var platform: String
    /// How keeping it ended; nil before.
    var answer: KeptVolume?
    var place: Place
}

/// All generations and lendings. They are few, so that they are held in memory as a whole.
struct VolumeBooks: Equatable, Sendable {
    /// By id.
    var generations: [String: VolumeGeneration] = [:]
    /// By runner.
    var lendings: [String: VolumeLending] = [:]

    var heads: [VolumeGeneration] { generations.values.filter { $0.state == .head } }

    func head(of name: VolumeName) -> VolumeGeneration? {
        generations.values.first { $0.state == .head && $0.name == name }
    }

    /// How many runners have a clone of the generation.
    func users(of id: String) -> Int { lendings.values.count { $0.generation == id } }

    /// The number of the next generation: higher than any that is remembered.
    func nextNumber(of name: VolumeName) -> Int {
        let kept = generations.values.filter { $0.name == name }.map(\.number)
        let seen = lendings.values.filter { $0.to == name }.map(\.head)
        return (kept + seen).max().map { $0 + 1 } ?? 1
    }
}
