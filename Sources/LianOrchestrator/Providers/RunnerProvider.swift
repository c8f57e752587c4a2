import LianModel

/// What makes and unmakes runners. The fleet keeps the books: leases, capacity and idempotency are its own, and all
/// that a provider knows of a runner is its id and the order.
///
/// Every call may block, each comes on a thread that may, and for one runner they come one after the other. The
/// runner's row is on disk before `create` is called: whatever `create` makes must be found again by the id alone, so
/// that `destroy` can remove it after a crash at any moment. `local` names its folder after the id; a provider for a
/// cloud would put the id into a label of its machine.
package protocol RunnerProvider: RunnerRemover {
    /// The provider's name in the API.
    var name: String { get }
    /// What kind of machines it makes; the same as its name unless there are several of a kind.
    var kind: String { get }
    /// The build engine that its runners carry.
    var engine: String { get }
    /// What its runners build for without being asked: "linux/amd64".
    var platform: String { get }
    /// All that they build for natively: `platform`, and what its machines run besides.
    var platforms: [String] { get }
    /// What lays out the data of its runners' engines, so that it can lie on volumes; nil where it cannot.
    var engineKind: EngineKind? { get }
    /// The same of such a runner, which may be made of another image.
    func engineKind(for request: SpawnRequest) -> EngineKind?

    /// Why runners cannot be reached at present, with the remedy; nil where they can.
    var problem: String? { get }

    /// Goes on with the secret by which what makes its machines knows it, read anew.
    func renew(_ secret: [UInt8]) throws(ProviderError)

    /// Why this request can never be served here; nil where it can.
    func refusal(of request: SpawnRequest) -> String?

    /// What stands in the way of such a runner just now, found out within 15 seconds; nil where nothing is known to.
    func obstacle(to request: SpawnRequest) -> SpawnObstacle?

    /// Makes the runner and returns once its sshd answers, and where its volume is warm once its engine does. `isWanted`
    /// turns false when someone destroys the runner meanwhile. If the runner is only half made then, or when this throws,
    /// the `destroy` that follows removes it.
    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace

    /// Lets in the key at a machine that nobody has used yet, and from then on that key alone: not the one any more by
    /// which this is done, which is told as OpenSSH writes it to a file. Where it throws the machine is of no use, and
    /// `create` may be called for it.
    func handOver(_ place: RunnerPlace, openedBy privateKey: String, to key: SSHPublicKey) throws(ProviderError)

    /// Stops the engine of a runner that is ready, so that its data can be kept, within about half a minute. The runner
    /// lives on, but builds no more. Repeated, it returns the same. Where bytes are named, and the provider can, the
    /// engine first forgets what it used longest ago, until no more than so many are left.
    func stopEngine(_ runnerID: String, leaving bytes: Int?) throws(ProviderError) -> EngineEnd

    /// How the runner's engine ended without having been stopped or killed; nil where it has not, or nobody knows. Data
    /// on which an engine ends by itself may be damaged, also where it came up: it reads most of it only when it builds.
    func engineEndByItself(_ runnerID: String) -> String?

    /// The storage of volumes where its machines are, as the operator wants it; nil where there is none. Of the
    /// orchestrator's own machine it is not asked: there all providers have one together.
    func findVolumes(_ choice: VolumesChoice) throws(ProviderError) -> FoundVolumes?
}

extension RunnerProvider {
    package var kind: String { name }
    package var problem: String? { nil }
    package var platforms: [String] { [platform] }
    package var engineKind: EngineKind? { nil }
    package func engineKind(for request: SpawnRequest) -> EngineKind? { engineKind }
    package func renew(_ secret: [UInt8]) throws(ProviderError) {}
    package func obstacle(to request: SpawnRequest) -> SpawnObstacle? { nil }
    package func stopEngine(_ runnerID: String, leaving bytes: Int?) throws(ProviderError) -> EngineEnd {
        .unclear("the provider '\(name)' cannot stop an engine by itself")
    }
    package func engineEndByItself(_ runnerID: String) -> String? { nil }
    package func findVolumes(_ choice: VolumesChoice) throws(ProviderError) -> FoundVolumes? { nil }
}

/// Why a provider cannot make a runner now, in words of its own.
package enum SpawnObstacle: Equatable, Sendable {
    /// What makes its machines does not answer.
    case unreachable(String)
    case noRoom(String)
    /// That of the machine on which runners or the orchestrator's books lie.
    case diskFull(String)

    var reason: String {
        switch self {
        case .unreachable(let reason), .noRoom(let reason), .diskFull(let reason): reason
        }
    }

    /// What several say of which one would have been enough: room may be had again soon, and before a disk is emptied.
    static func all(_ obstacles: [SpawnObstacle]) -> SpawnObstacle {
        let words = obstacles.map(\.reason).joined(separator: "; ")
        if obstacles.contains(where: { if case .noRoom = $0 { true } else { false } }) { return .noRoom(words) }
        if obstacles.contains(where: { if case .diskFull = $0 { true } else { false } }) { return .diskFull(words) }
        return .unreachable(words)
    }
}

/// Whether an engine that was stopped has left its data as it should be.
package enum EngineEnd: Equatable, Sendable {
    case clean
    /// With the reason.
    case unclear(String)
}

/// The half of a provider that looks after the runners that exist.
package protocol RunnerRemover: Sendable {
    /// Ends the runner and removes all of it, within about a minute: if it takes longer, that is an error, and is tried
    /// again. It may be repeated, and also works for a runner that was made only in part.
    func destroy(_ runnerID: String) throws(ProviderError) -> Removal

    /// Whether a runner that was ready still answers. Throws where that cannot be found out: a failed look does not
    /// mean that the runner is gone.
    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool

    /// The same, for whoever can ask the runner itself: `place` is where it was when it became ready.
    func isAlive(_ runnerID: String, at place: RunnerPlace?) throws(ProviderError) -> Bool

    /// Why a runner that was ready does not answer any more.
    func causeOfDeath(_ runnerID: String) -> String

    /// The ids of all runners on the machine, whether or not the store knows them.
    func existing() throws(ProviderError) -> [String]
}

extension RunnerRemover {
    package func isAlive(_ runnerID: String, at place: RunnerPlace?) throws(ProviderError) -> Bool {
        try isAlive(runnerID)
    }

    package func causeOfDeath(_ runnerID: String) -> String { "its sshd has ended" }
}

package enum Removal: Sendable {
    /// Nothing is left of the runner.
    case complete
    /// Only files are left, and they are being deleted: `destroy` is called again, and then returns how that ended.
    case deleting
}

package struct RunnerOrder: Sendable {
    package var runnerID: String
    package let request: SpawnRequest
    package let key: SSHPublicKey
    /// The volume that was lent to the runner; nil where it has none.
    package var volume: OrderedVolume?
    /// Called where the runner cannot work on its volume, once nothing of it runs any more. Returns an empty volume in its
    /// place, or nil where there is none: the runner goes on without.
    package var replaceVolume: @Sendable (_ obstacle: VolumeObstacle) -> OrderedVolume? = { _ in nil }
}

package struct OrderedVolume: Sendable {
    package let folder: String
    /// Whether an engine has already worked on it.
    package let isWarm: Bool

    package init(folder: String, isWarm: Bool) {
        self.folder = folder
        self.isWarm = isWarm
    }
}

/// A call of a provider that failed.
package struct ProviderFailure: Equatable, Sendable {
    package let message: String
    /// Milliseconds since 1970.
    package let at: Int
}

/// How many machines of a provider wait for builds.
package struct StandbyStatus: Equatable, Sendable, JSONEncodable {
    package let wanted: Int
    package let ready: Int
    package let booting: Int
    /// Why the last one did not come up, as long as there are too few; nil where nothing is known to be wrong.
    package var problem: String?

    package var json: JSONValue {
        [
            "wanted": .integer(wanted), "ready": .integer(ready), "booting": .integer(booting), "reason": problem.json,
        ]
    }
}

/// How a provider is.
package struct ProviderStatus: Equatable, Sendable {
    package let name: String
    package let kind: String
    /// What its runners build with; nil as long as it is not there.
    package let engine: String?
    /// What they build for natively; empty as long as it is not there.
    package let platforms: [String]
    /// What volumes they have; nil as long as that is not known.
    package let volumes: VolumeSupport?
    /// Why its runners cannot be reached just now; nil where they can.
    package let problem: String?
    /// How many runners it may have at once by itself; nil where only the capacity of all limits it.
    package let capacity: Int?
    /// How many of its places are taken, of those that were asked for.
    package let taken: Int
    package var lastError: ProviderFailure?
    /// nil where no machines wait for builds.
    package var standby: StandbyStatus?
}

extension ProviderStatus: JSONEncodable {
    package var json: JSONValue {
        let error = lastError.map { failure -> JSONValue in
            ["message": .string(failure.message), "at": .string(UTCTime(milliseconds: failure.at).rfc3339)]
        }
        let places: [String: JSONValue] = [
            "capacity": capacity.json, "taken": .integer(taken), "last_error": error ?? .null,
            "standby": standby?.json ?? .null,
        ]
        return .object((health.objectValue ?? [:]).merging(places) { $1 })
    }

    /// What everybody may know.
    package var health: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(name), "kind": .string(kind), "health": problem == nil ? "ok" : "degraded",
            "reason": problem.json,
        ]
        members["engine"] = engine.map(JSONValue.string)
        members["platform"] = platforms.first.map(JSONValue.string)
        members["volumes"] = volumes.map { .string($0.rawValue) }
        return .object(members)
    }
}
