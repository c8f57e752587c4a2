import LianModel

/// What there is just now, as far as a token sees it: what the page shows, and the API.
struct Overview: Sendable {
    struct Runner: Sendable {
        let record: RunnerRecord
        /// How long it has been there, in milliseconds; nil where an earlier version has spawned it.
        let age: Int?
        /// How long it may go on without a heartbeat, in milliseconds; nil where it is not alive.
        let left: Int?

        init(_ record: RunnerRecord, at now: Int) {
            self.record = record
            age = record.begun.map { now - $0 }
            left = record.isAlive ? max(0, record.ends - now) : nil
        }
    }

    struct Workspace: Sendable {
        let name: String
        let history: UsageHistory
        let next: NextSize
    }

    /// Milliseconds since 1970.
    let time: Int
    let runners: [Runner]
    let capacity: Int
    /// How many of the places are taken by others is for those alone who see all.
    let taken: Int
    let quota: Int?
    let volumeSupport: VolumeSupport
    let volumes: [VolumeAnswer]
    let providers: [ProviderStatus]
    let workspaces: [Workspace]
    /// Whether the last errors of the providers are told.
    let tellsErrors: Bool

    private static let mostWorkspaces = 200

    init(for token: Token, fleet: Fleet, volumes: Volumes?, store: Store) throws(StoreError) {
        let now = fleet.clock.now()
        let seen = fleet.unfinished.filter { token.sees($0.workspace) }
        time = fleet.clock.wallClock()
        runners = seen.filter { $0.state != .gone }.map { Runner($0, at: now) }
        capacity = fleet.capacity
        taken = (seen + (token.seesAll ? fleet.onStandby : [])).count(where: \.takesAPlace)
        quota = token.maxRunners
        volumeSupport = fleet.volumeSupport
        self.volumes = volumes?.list(whereWorkspace: token.sees) ?? []
        // An error may name what is of others.
        tellsErrors = token.seesAll
        providers = fleet.providerStatuses(for: token).map { provider in
            var shown = provider
            if !token.seesAll {
                shown.lastError = nil
                shown.standby?.problem = nil
            }
            return shown
        }
        var workspaces: [Workspace] = []
        for name in try store.workspaces(seenBy: token, limit: Self.mostWorkspaces) {
            // What sessions told sizes CI's builds nowhere, and is all there is where CI has not built yet.
            let ofCI = try store.history(of: name, toldBy: [.ci])
            let history = ofCI.samples > 0 ? ofCI : try store.history(of: name)
            workspaces.append(Workspace(name: name, history: history, next: NextSize(history, ladder: .standard)))
        }
        self.workspaces = workspaces
    }
}

// MARK: - As the API tells it

extension Overview: JSONEncodable {
    var json: JSONValue {
        [
            "runners": .array(runners.map(json)),
            "capacity": ["runners": .integer(capacity), "taken": .integer(taken), "quota": quota.json],
            "volumes": volumes.json, "providers": providers.json, "workspaces": workspaces.json,
        ]
    }

    private func json(_ runner: Runner) -> JSONValue {
        let record = runner.record
        func moment(_ offset: Int?) -> JSONValue { (offset.map { UTCTime(milliseconds: time + $0).rfc3339 }).json }
        return [
            "runner_id": .string(record.id), "state": .string(record.state.rawValue), "reason": record.reason.json,
            "workspace": .string(record.workspace), "build_id": record.buildID.json, "attempt": record.attempt.json,
            "provider": .string(record.provider), "size": record.size.json,
            "created_at": moment(runner.age.map { -$0 }), "expires_at": moment(runner.left),
            "volume": record.place?.volume.map(json) ?? .null,
        ]
    }

    private func json(_ volume: RunnerVolume) -> JSONValue {
        [
            "state": .string(volume.state.rawValue), "from": volume.from.json, "generation": volume.generation.json,
            "bytes": volume.bytes.json, "reason": volume.reason.json,
        ]
    }
}

extension Overview.Workspace: JSONEncodable {
    var json: JSONValue {
        var size: JSONValue = .null
        if case .sized(let sizing, _) = next { size = sizing.json }
        return [
            "workspace": .string(name), "next_size": size, "reason": .string(next.reason), "history": history.json,
        ]
    }
}
