import LianModel
import LianSSH
import LianSystem

/// Machines that have booted before anybody asks for them. Each has a row like a runner's, with a key of its own in it; a
/// build that takes it over makes the row its own, and from then on it is a runner like any other.
extension Fleet {
    /// A build that finds no room gets what a machine on standby has, and for so long no other comes in its place.
    private static let pauseForBuilds = 60_000
    /// When places are looked for again.
    private static let pauseWithoutPlaces = 5_000
    /// One that has waited for so long is a good one.
    private static let provingTime = 600_000

    /// Ends those that nobody wants, and boots those that are lacking. It waits for nothing.
    func keepStandby() {
        let plans = allowed.value.standby
        let all = onStandby.filter(\.isAlive)
        for record in all {
            if let reason = plans.refusal(of: record) { endStandby(record, reason, "unwanted") }
        }
        for (name, plan) in plans.sorted(by: { $0.key < $1.key }) {
            let there = all.filter { $0.provider == name && plan.asksFor($0) }
            // Those first that are of least use: that boot still, and that go soon.
            for record in there.sorted(by: isOfLessUse).prefix(max(0, there.count - plan.count)) {
                endStandby(record, "the configuration asks for fewer machines on standby", "unwanted")
            }
            let isProved = there.contains { record in
                record.state == .ready && record.begun.map { clock.now() - $0 > Self.provingTime } ?? false
            }
            if isProved, pace(of: name, { $0.proved() }) == true { tellOfRecovery(at: name) }
            let batch = (paces.value[name] ?? StandbyPace()).batch(
                lacking: plan.count - there.count, booting: there.count { $0.state == .pending }, at: clock.now())
            guard batch > 0, let provider = providers.all.first(where: { $0.name == name }), provider.ifOpen != nil
            else { continue }
            for _ in 0..<batch { boot(plan, by: provider) }
        }
    }

    func standby(_ plan: StandbyConfig, of provider: String, in all: [RunnerRecord]) -> StandbyStatus {
        let there = all.filter { $0.provider == provider && plan.asksFor($0) }
        let ready = there.count { $0.state == .ready }
        return StandbyStatus(
            wanted: plan.count, ready: ready, booting: there.count { $0.state == .pending },
            problem: ready < plan.count ? paces.value[provider]?.reason : nil)
    }

    private func isOfLessUse(_ one: RunnerRecord, _ other: RunnerRecord) -> Bool {
        let (boots, otherBoots) = (one.state == .pending, other.state == .pending)
        return boots == otherBoots ? (one.ends, one.id) < (other.ends, other.id) : boots
    }

    @discardableResult
    private func pace<Value>(of provider: String, _ body: (inout StandbyPace) -> Value) -> Value? {
        var result: Value?
        paces.update { result = body(&$0[provider, default: StandbyPace()]) }
        return result
    }

    /// Nothing where somebody is taking it over.
    private func endStandby(_ record: RunnerRecord, _ reason: String, _ cause: String) {
        let ended = end(record.id, reason: reason) { $0.isOnStandby && !$0.isReserved }
        if ended != nil { meters.standbyEnds.add([record.provider, cause]) }
    }
}

// MARK: - Booting

extension Fleet {
    private func boot(_ plan: StandbyConfig, by provider: ServedProvider) {
        let id = Self.newRunnerID()
        let now = clock.now()
        let end = now + plan.minutes * 60_000
        guard let key = try? SSHKey.ephemeral(), let text = key.privateText,
            let publicKey = SSHPublicKey(line: key.publicKeyLine)
        else { return tell(id, of: provider.name, failed: .boot, "OpenSSL made no Ed25519 key") }
        var record = RunnerRecord(
            id: id, workspace: StandbyConfig.workspace, token: nil, provider: provider.name, size: plan.size,
            leaseSeconds: plan.minutes * 60, state: .pending, reason: nil, place: nil, bootID: clock.bootID,
            leaseEnds: end, lifeEnds: end, goneAt: nil, isTornDown: false, buildID: nil, attempt: nil, begun: now,
            providerKind: provider.kind)
        record.standby = plan.machine(openedBy: text)
        let request = plan.request(id, provider: provider.name, publicKey: publicKey.line)
        do {
            switch try admit(record, key: "\(StandbyConfig.workspace) \(id)", request: "") {
            case .admitted?:
                aside { self.makeStandby(RunnerOrder(runnerID: id, request: request, key: publicKey), by: provider) }
            case .refused?, .known?:
                pace(of: provider.name) { $0.wait(until: now + Self.pauseWithoutPlaces) }
            case nil: return
            }
        } catch {
            tell(id, of: provider.name, failed: .boot, error.description)
        }
    }

    /// On a thread of its own.
    private func makeStandby(_ order: RunnerOrder, by served: ServedProvider) {
        let id = order.runnerID
        let name = served.name
        let result = Result { () throws(ProviderError) -> RunnerPlace in
            guard isPending(id) else { throw ProviderError.notWanted }
            let provider = try served.opened()
            if let refusal = provider.refusal(of: order.request) { throw ProviderError(refusal) }
            return try create(order, by: provider)
        }
        let isWanted = isPending(id)
        switch result {
        case .success(let place):
            guard roster.becameReady(id, at: place) else { break }
            log.info("standby_ready", "\(id) is on standby", ["runner_id": .string(id), "provider": .string(name)])
            if pace(of: name, { $0.cameUp() }) == true { tellOfRecovery(at: name) }
        case .failure(let problem) where isWanted:
            tell(id, of: name, failed: .boot, problem.description)
        case .failure: break
        }
        isMade(id)
        if case .failure(let problem) = result {
            end(id, reason: problem.description) { _ in true }
            if isWanted { meters.standbyEnds.add([name, "failed"]) }
        }
        changes.update { $0 += 1 }
    }

    func standbyDied(_ record: RunnerRecord) {
        tell(record.id, of: record.provider, failed: .death, "a machine on standby has ended by itself")
        endStandby(record, "it has ended by itself", "died")
    }

    /// Once, until it goes well again.
    private func tell(_ id: String, of provider: String, failed failure: StandbyPace.Failure, _ reason: String) {
        guard pace(of: provider, { $0.failed(by: failure, reason, at: clock.now()) }) == true else { return }
        log.error(
            "standby_failed", "no machine comes on standby, and it is tried again ever more seldom: \(reason)",
            ["provider": .string(provider), "runner_id": .string(id)])
    }

    private func tellOfRecovery(at provider: String) {
        log.info("standby_recovered", "machines come on standby again", ["provider": .string(provider)])
    }
}

// MARK: - Handing over

extension Fleet {
    /// A machine that serves the request and is held for it; nil where there is none.
    func reserveStandby(for request: SpawnRequest, of provider: ServedProvider) -> RunnerRecord? {
        guard let plan = allowed.value.standby[provider.name], !mayBeWarm(request, on: provider) else { return nil }
        let now = clock.now()
        return roster.reserve { record in
            record.provider == provider.name && plan.asksFor(record) && plan.serves(request, by: record)
                && record.reasonToEnd(at: now) == nil
        }
    }

    /// Whether a volume would be lent to the runner or kept of it: a machine that has booted gets none any more, and what
    /// engines learned is worth more than a boot.
    private func mayBeWarm(_ request: SpawnRequest, on provider: ServedProvider) -> Bool {
        guard let volumes, let wanted = request.volume, provider.current?.engineKind != nil else { return false }
        return wanted.to != nil || wanted.from.contains { volumes.books.head(of: $0) != nil }
    }

    /// The runner's place; nil where the machine is of no use, and one has to be made.
    func handOver(_ machine: RunnerRecord, to order: RunnerOrder, by provider: any RunnerProvider) -> RunnerPlace? {
        guard let place = machine.place, let key = machine.standby?.key else { return nil }
        do throws(ProviderError) {
            try call(provider.name, "hand_over") { () throws(ProviderError) in
                try provider.handOver(place, openedBy: key, to: order.key)
            }
        } catch {
            meters.standbyEnds.add([provider.name, "died"])
            tell(machine.id, of: provider.name, failed: .death, "a machine on standby cannot be handed over: \(error)")
            return nil
        }
        meters.standbyEnds.add([provider.name, "used"])
        if pace(of: provider.name, { $0.proved() }) == true { tellOfRecovery(at: provider.name) }
        return place
    }

    /// Builds come before machines that wait for one: the next try finds the room of one of them.
    func makeRoom(for request: SpawnRequest, anywhere: Bool) {
        let able = ((try? providers.able(toServe: request)) ?? []).map(\.name)
        let there = onStandby.filter { $0.isAlive && !$0.isReserved }.sorted(by: isOfLessUse)
        guard let least = there.first(where: { able.contains($0.provider) }) ?? (anywhere ? there.first : nil) else {
            return
        }
        pace(of: least.provider) { $0.wait(until: clock.now() + Self.pauseForBuilds) }
        log.info(
            "standby_yields", "\(least.id) goes from standby: a build finds no room",
            ["provider": .string(least.provider), "runner_id": .string(least.id)])
        endStandby(least, "a build needs its room", "unwanted")
    }
}
