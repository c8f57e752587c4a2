import LianHTTP
import LianModel
import LianSystem

/// Volumes as custom volumes of the pool that runners are on, known by their marks alone. Each lies on one member, and
/// so does the runner that has it. An empty one is made where its runner goes, by whoever makes that.
struct LXDVolumes: VolumeStorage {
    let server: LXDServer
    let cluster: LXDCluster
    let pool: String
    let orchestrator: String
    var support = VolumeSupport.clone

    let name = "lxd"
    var keepsByMoving: Bool { support == .exclusive }

    private static let copyLimit: Duration = .seconds(60)
    private let seenRoom = Guarded<(room: VolumeRoom, at: ContinuousClock.Instant)?>(nil)
    private static let freshness: Duration = .seconds(1)
    private static let roomLimit: Duration = .seconds(4)

    init(server: LXDServer, cluster: LXDCluster, pool: String, orchestrator: String) {
        self.server = server
        self.cluster = cluster
        self.pool = pool
        self.orchestrator = orchestrator
    }

    func folder(lentTo runnerID: String) -> String { BootScript.volume }

    func make(for runnerID: String) throws(VolumeStorageError) {}

    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError) {
        try asked { () throws(LXDFailure) in
            guard let kept = try list().first(where: { $0.isKept && $0.generation == generation }) else {
                throw LXDFailure(.refused(404), "the cluster has no volume of generation \(generation)")
            }
            try requireOnline(kept)
            if support == .exclusive {
                try change(
                    kept.name, on: kept.member,
                    [
                        LXDInstance.Key.runner: .string(runnerID), LXDVolume.Key.generation: "",
                        LXDVolume.Key.isKept: "",
                    ])
            } else {
                try copy(kept, with: [LXDInstance.Key.runner: .string(runnerID)], named: runnerID)
            }
        }
    }

    /// The machine itself looks at the form before its engine starts: nobody else opens what is on a volume.
    func fault(lentTo runnerID: String) -> String? { nil }

    func size(lentTo runnerID: String) throws(VolumeStorageError) -> Int {
        let word = try asked { () throws(LXDFailure) in
            let marks = Marks(orchestrator: orchestrator, runner: runnerID)
            guard let instance = try server.instances(of: marks).first else { return String?.none }
            return try server.file(BootScript.stopWordFile, of: instance.name)
        }
        guard case .clean(let bytes)? = word.flatMap(BootScript.StopWord.init) else {
            throw VolumeStorageError("the runner does not tell how much is on its volume")
        }
        return bytes
    }

    /// The runner has done it when its engine was stopped.
    func flush(lentTo runnerID: String) {}

    /// A copy counts as kept once it is whole.
    func keep(lentTo runnerID: String, as generation: String) throws(VolumeStorageError) {
        try asked { () throws(LXDFailure) in
            let all = try list()
            guard let lent = all.first(where: { $0.runner == runnerID && $0.holder == runnerID }) else {
                throw LXDFailure(.refused(404), "the cluster has no volume of the runner \(runnerID)")
            }
            try requireOnline(lent)
            let isKept: [String: JSONValue] = [
                LXDVolume.Key.generation: .string(generation), LXDVolume.Key.isKept: "true", LXDInstance.Key.runner: "",
            ]
            if support == .exclusive { return try change(lent.name, on: lent.member, isKept) }
            for half in all where half.runner == nil && half.holder == generation { try remove(half) }
            let copied = try copy(lent, with: [LXDVolume.Key.generation: .string(generation)], named: generation)
            try change(copied, on: lent.member, isKept)
        }
    }

    func remove(lentTo runnerID: String) throws(VolumeStorageError) {
        try asked { () throws(LXDFailure) in
            for volume in try list() where volume.holder == runnerID { try remove(volume) }
        }
    }

    func remove(generation: String) throws(VolumeStorageError) {
        try asked { () throws(LXDFailure) in
            for volume in try list() where volume.isKept && volume.generation == generation { try remove(volume) }
        }
    }

    func contents() throws(VolumeStorageError) -> VolumeContents {
        let all = try asked { () throws(LXDFailure) in try list() }
        return VolumeContents(
            kept: Set(all.filter(\.isKept).compactMap(\.generation).filter(Identifier.isID)),
            lent: Set(all.compactMap(\.holder).filter(Identifier.isID)))
    }

    /// Of the member that has the most: that one serves whoever comes. One that has just gone still counts as online, and
    /// hides the others from nobody.
    func room() throws(VolumeStorageError) -> VolumeRoom {
        if let seen = seenRoom.value, ContinuousClock.now - seen.at < Self.freshness { return seen.room }
        let most = try asked { () throws(LXDFailure) in
            var best: VolumeRoom?
            var problem = LXDFailure(.unanswered, "no member is online")
            for member in try cluster.look().get().members where member.isOnline {
                do throws(LXDFailure) {
                    let found = try room(on: member.name, within: Self.roomLimit)
                    if found.free >= best?.free ?? 0 { best = found }
                } catch {
                    problem = error
                }
            }
            guard let best else { throw problem }
            return best
        }
        seenRoom.set((most, .now))
        return most
    }

    func emptyTrash() {}
    func close() {}
}

// MARK: - What machines are made with

extension LXDVolumes {
    private func lent(to runnerID: String) throws(LXDFailure) -> LXDVolume? {
        try list().first { $0.runner == runnerID && !$0.isKept }
    }

    /// Where the runner's volume lies; nil where it has none, or the pool is the same on all members.
    func member(lentTo runnerID: String) throws(LXDFailure) -> String? {
        try lent(to: runnerID).flatMap { ["", LXDMember.alone].contains($0.member) ? nil : $0.member }
    }

    func name(lentTo runnerID: String) throws(LXDFailure) -> String? { try lent(to: runnerID)?.name }

    /// In place of what the runner may have had elsewhere.
    func makeEmpty(for runnerID: String, on member: String) throws(VolumeStorageError) {
        try remove(lentTo: runnerID)
        try asked { () throws(LXDFailure) in
            try requireRoom(on: member)
            let body: JSONValue = [
                "name": .string(newName(runnerID)), "type": "custom",
                "config": .object([
                    LXDInstance.Key.orchestrator: .string(orchestrator), LXDInstance.Key.runner: .string(runnerID),
                ]),
            ]
            try finish(server.ask(.post, folder, target(member), body: body))
        }
    }

    func device(_ volume: String) -> JSONValue {
        ["type": "disk", "pool": .string(pool), "source": .string(volume), "path": .string(BootScript.volume)]
    }

    /// The storage as the operator wants it; nil where that is none.
    func found(_ choice: VolumesChoice) throws(ProviderError) -> FoundVolumes? {
        guard choice != .none else { return nil }
        let driver: String
        do {
            let about = try server.ask(.get, "/storage-pools/\(percentEncoded(pool))").metadata
            driver = about["driver"]?.stringValue ?? ""
        } catch {
            throw ProviderError("the cluster's pool '\(pool)' cannot be looked at: \(error)")
        }
        let clones = ["btrfs", "zfs"].contains(driver)
        guard clones || choice != .clone else {
            throw ProviderError(
                "volumes cannot be cloned on the cluster's pool '\(pool)', which is of the kind \(driver): choose a pool on "
                    + "btrfs or zfs, or --volumes auto")
        }
        var storage = self
        storage.support = clones && choice != .exclusive ? .clone : .exclusive
        return FoundVolumes(
            storage: storage,
            reason: "\(storage.support.rawValue): custom volumes of the cluster's pool '\(pool)' (\(driver))")
    }
}

// MARK: - Asking the cluster

extension LXDVolumes {
    private var folder: String { "/storage-pools/\(percentEncoded(pool))/volumes/custom" }
    private func path(_ volume: String) -> String { "\(folder)/\(percentEncoded(volume))" }

    private func target(_ member: String) -> [String: String] {
        ["", LXDMember.alone].contains(member) ? [:] : ["target": member]
    }

    /// Names are never asked. This one is nobody else's.
    private func newName(_ id: String) -> String { "lian-\(id)-\(hexadecimal(randomBytes(4)))" }

    private func list() throws(LXDFailure) -> [LXDVolume] {
        let all = try server.ask(.get, folder, ["recursion": "1"]).metadata.arrayValue ?? []
        return all.compactMap(LXDVolume.init).filter { $0.orchestrator == orchestrator }
    }

    @discardableResult
    private func copy(_ source: LXDVolume, with marks: [String: JSONValue], named id: String) throws(LXDFailure)
        -> String
    {
        try requireRoom(on: source.member)
        var config = source.config.filter { LXDVolume.Key.shifts.contains($0.key) }
        config[LXDInstance.Key.orchestrator] = .string(orchestrator)
        config.merge(marks) { $1 }
        let name = newName(id)
        let body: JSONValue = [
            "name": .string(name), "type": "custom", "config": .object(config),
            "source": ["type": "copy", "pool": .string(pool), "name": .string(source.name)],
        ]
        try finish(server.ask(.post, folder, target(source.member), body: body))
        return name
    }

    private func change(_ volume: String, on member: String, _ config: [String: JSONValue]) throws(LXDFailure) {
        try finish(server.ask(.patch, path(volume), target(member), body: ["config": .object(config)]))
    }

    private func remove(_ volume: LXDVolume) throws(LXDFailure) {
        do {
            try finish(server.ask(.delete, path(volume.name), target(volume.member)))
        } catch {
            guard error.isUnknown else { throw error }
        }
    }

    private func finish(_ answer: LXDServer.Answer) throws(LXDFailure) {
        guard let operation = answer.operation else { return }
        guard try server.wait(for: operation, atMost: Self.copyLimit) else {
            throw LXDFailure(.unanswered, "it goes on for longer than \(Self.copyLimit)")
        }
    }

    private func requireOnline(_ volume: LXDVolume) throws(LXDFailure) {
        let member = try cluster.look().get().members.first { $0.name == volume.member }
        guard member?.isOnline ?? true else {
            throw LXDFailure(.refused(503), "its member \(volume.member) does not answer the others")
        }
    }

    private func requireRoom(on member: String) throws(LXDFailure) {
        let room = try room(on: member)
        guard !room.isLow else {
            throw LXDFailure(.refused(507), "the pool '\(pool)' has \(room.free >> 20) MB left on the member \(member)")
        }
    }

    private func room(on member: String, within limit: Duration = LXDServer.limit) throws(LXDFailure) -> VolumeRoom {
        let path = "/storage-pools/\(percentEncoded(pool))/resources"
        let space = try server.ask(.get, path, target(member), within: limit).metadata["space"]
        let total = space?["total"]?.amountValue ?? 0
        return VolumeRoom(free: total - (space?["used"]?.amountValue ?? 0), size: total)
    }

    private func asked<Value>(_ body: () throws(LXDFailure) -> Value) throws(VolumeStorageError) -> Value {
        do {
            return try body()
        } catch {
            throw VolumeStorageError(
                error.description, isDiskFull: error.kind == .refused(507) || error.tells("no space left"))
        }
    }
}
