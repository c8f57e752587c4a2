import LianModel
import LianSystem

/// All runners of this orchestrator: who may have one, for how long, and what becomes of it. The roster holds the facts
/// about them; the fleet only adds who is working on which runner.
package final class Fleet: Sendable {
    /// How many minutes beyond its time budget a runner may live at most.
    private static let lifetimeMargin = 15
    /// How long a destroyed runner still answers a repeated destroy with 200.
    private static let goneIsRemembered = 3_600_000
    /// How long an Idempotency-Key is remembered after its runner is gone: longer than any client goes on trying.
    private static let keyIsRemembered = 48 * 3_600_000
    private static let pauseAfterFailedTeardown = 10_000
    private static let pauseAfterForgetting = 60_000
    private static let pauseBetweenSweeps = 30_000
    private static let pauseAfterComplaint = 10_000
    /// Why a runner is refused, as metrics call it.
    fileprivate static let noRoom = "capacity"
    /// The largest request for a runner: it is remembered for as long as its key.
    static let requestLimit = 16 << 10

    let roster: Roster
    let providers: Providers
    /// nil where this orchestrator keeps no volumes.
    let volumes: Volumes?
    package let clock: BootClock
    let log: EventLog
    let allowed: Guarded<Places>
    let meters: Meters
    private let leaks: LeakWatch
    /// The last call of each provider that failed, by its name.
    private let lastProviderErrors = Guarded<[String: ProviderFailure]>([:])
    /// Where nobody could tell yet what is left of an earlier life.
    private let unswept: Guarded<Set<Providers.Place>>
    /// How long a caller waits for the teardown of a runner, and a stop for the teardown of all.
    private let patience: Duration
    /// The runners that a thread is making right now.
    let making = Monitor<Set<String>>([])
    /// The teardowns under way. A caller who wants a runner gone waits for the one that has already begun.
    private let teardowns = Monitor<[String: Teardown]>([:])
    /// The keeps under way. Whoever asks again waits for the one that has already begun.
    private let keeps = Monitor<[String: Keep]>([:])
    /// Counts the changes of state of all runners: whoever waits for a change looks again when it grows.
    let changes = Monitor(0)
    /// How booting machines for standby goes, by the names of their providers.
    let paces = Guarded<[String: StandbyPace]>([:])
    private let phase = Monitor(Phase())
    /// When each chore that must not be done too often may be done again.
    private let nextTries = Monitor<[Chore: Int]>([:])

    /// nil until the teardown is over.
    private typealias Teardown = Monitor<Result<Removal, ProviderError>?>

    /// nil until it is known whether the volume was kept.
    private typealias Keep = Monitor<KeepOutcome?>

    private enum Chore: Hashable {
        case tearDown(String), complain(Providers.Place), sweep(Providers.Place), openVolumes(Providers.Place), forget
    }

    private struct Phase {
        enum Stage { case serving, stopping, stopped }
        var stage = Stage.serving
        /// The number of requests for runners that were let in and are not in the roster yet.
        var admitting = 0
    }

    package init(
        roster: Roster, providers: Providers, volumes: Volumes?, clock: BootClock, log: EventLog,
        allowing places: Places, unswept: Set<Providers.Place> = [], patience: Duration = .seconds(40),
        meters: Meters = Meters(), onLeak: @escaping @Sendable (LeakingRunner) -> Void = { _ in }
    ) {
        self.roster = roster
        self.providers = providers
        self.volumes = volumes
        self.clock = clock
        self.log = log
        allowed = Guarded(places)
        self.unswept = Guarded(unswept)
        self.patience = patience
        self.meters = meters
        leaks = LeakWatch(clock: clock, log: log, tell: onLeak)
        let next = clock.now() + Self.pauseBetweenSweeps
        nextTries.update { tries in
            for place in providers.places where !unswept.contains(place) { tries[.sweep(place)] = next }
        }
    }

    package var volumeSupport: VolumeSupport { volumes?.support ?? .none }

    /// What volumes the provider's runners have; nil where that is not known yet.
    private func volumeSupport(of provider: ServedProvider) -> VolumeSupport? {
        guard let volumes else { return VolumeSupport.none }
        if let opened = provider.ifOpen, opened.engineKind == nil { return VolumeSupport.none }
        return volumes.support(at: providers.place(of: provider))
    }

    /// How each provider is, the first choice first; of its places those are counted that the token may know of.
    package func providerStatuses(for token: Token? = nil) -> [ProviderStatus] {
        let places = allowed.value
        let all = roster.unfinished
        let taken = all.filter { record in
            record.takesAPlace && token.map { record.isOnStandby ? $0.seesAll : $0.sees(record.workspace) } ?? true
        }
        return providers.all.map { provider in
            let opened = provider.ifOpen
            return ProviderStatus(
                name: provider.name, kind: provider.kind, engine: opened?.engine, platforms: opened?.platforms ?? [],
                volumes: volumeSupport(of: provider),
                problem: provider.problem, capacity: places.ofProviders[provider.name],
                taken: taken.count { $0.provider == provider.name }, lastError: lastProviderErrors.value[provider.name],
                standby: places.standby[provider.name].map { standby($0, of: provider.name, in: all) })
        }
    }

    /// The runners of which something is left, and that builds have or had.
    package var unfinished: [RunnerRecord] { roster.unfinished.filter { !$0.isOnStandby } }

    /// The machines of which something is left, and that no build has had.
    package var onStandby: [RunnerRecord] { roster.unfinished.filter(\.isOnStandby) }

    package var capacity: Int { allowed.value.all }

    /// How many runners there may be from now on; those that are there stay.
    package func allow(_ places: Places) { allowed.set(places) }
}

// MARK: - What the API asks for

extension Fleet {
    package enum SpawnOutcome: Sendable {
        case created(RunnerAnswer)
        case known(RunnerAnswer)
        case keyIsTaken
        case unservable(String)
        case refused(Store.Obstacle)
        /// By the provider, for now.
        case hindered(SpawnObstacle)
        case stopping
    }

    package func spawn(
        _ request: SpawnRequest, key idempotencyKey: String, by token: Token
    ) throws(StoreError) -> SpawnOutcome {
        let outcome: SpawnOutcome
        do throws(StoreError) {
            outcome = try takeIn(request, key: idempotencyKey, by: token)
        } catch  where error.isDiskFull {
            outcome = .hindered(.diskFull("the disk on which the orchestrator keeps its books is full"))
        }
        if let cause = outcome.refusal {
            meters.spawnRefusals.add([request.workspace, cause])
            if cause == Self.noRoom { makeRoom(for: request, anywhere: outcome.isForAll) }
        } else if case .created(let runner) = outcome {
            meters.spawns.add([request.workspace, runner.provider ?? ""])
        }
        return outcome
    }

    private func takeIn(
        _ request: SpawnRequest, key idempotencyKey: String, by token: Token
    ) throws(StoreError) -> SpawnOutcome {
        guard let callersKey = SSHPublicKey(callersLine: request.sshPublicKey) else {
            return .unservable("ssh_public_key has the form of a key, but what it carries is none")
        }
        let text = request.json.encoded()
        guard text.utf8.count <= Self.requestLimit else {
            return .unservable(
                "the request has \(text.utf8.count) bytes and may have \(Self.requestLimit): shorten its labels")
        }
        let able: [ServedProvider]
        do {
            able = try providers.able(toServe: request)
        } catch {
            return .unservable(error.description)
        }
        if let volume = request.volume, volume.to?.isOfCI == true, !volume.from.allSatisfy(\.isOfCI) {
            return .unservable("a volume of CI's never begins with one of a session's")
        }
        if let name = request.volume?.to, !name.possibleWorkspaces.contains(request.workspace) {
            return .unservable("the volume '\(name)' is not one of the workspace '\(request.workspace)'")
        }
        let wanted = WantedRunner(
            order: RunnerOrder(runnerID: Self.newRunnerID(), request: request, key: callersKey),
            key: token.scoped(idempotencyKey), text: text, token: token)
        // Whoever asks again for a runner that is there is told of it, though there is no room for a second.
        if try roster.knows(key: wanted.key) { return try takeIn(wanted, on: able[0]) }
        var obstacles: [SpawnObstacle] = []
        for candidate in providers.candidates(able, for: request) {
            // What has booted already asks for no room.
            if let machine = reserveStandby(for: request, of: candidate.provider) {
                return try takeIn(wanted, on: candidate.provider, goingOnFrom: machine)
            }
            if let obstacle = candidate.obstacle() {
                obstacles.append(obstacle)
                continue
            }
            let outcome = try takeIn(wanted, on: candidate.provider)
            guard able.count > 1, case .refused(.provider(let name, let limit)) = outcome else { return outcome }
            obstacles.append(.noRoom("all \(limit) runners that the provider '\(name)' may have are taken"))
        }
        return .hindered(.all(obstacles))
    }

    /// A runner that somebody asks for.
    private struct WantedRunner {
        var order: RunnerOrder
        let key: String
        /// The whole request.
        let text: String
        let token: Token
    }

    /// `machine` is one that has booted already; it is given back where it is not taken after all.
    private func takeIn(
        _ wanted: WantedRunner, on provider: ServedProvider, goingOnFrom machine: RunnerRecord? = nil
    ) throws(StoreError) -> SpawnOutcome {
        defer { if let machine { roster.giveBack(machine.id) } }
        var wanted = wanted
        if let machine { wanted.order.runnerID = machine.id }
        let order = wanted.order
        let now = clock.now()
        let request = order.request
        let record = RunnerRecord(
            id: order.runnerID, workspace: request.workspace, token: wanted.token.name, provider: provider.name,
            size: request.size,
            leaseSeconds: request.leaseSeconds, state: .pending, reason: nil, place: nil, bootID: clock.bootID,
            leaseEnds: now + request.leaseSeconds * 1000,
            lifeEnds: now + (request.timeBudgetMinutes + Self.lifetimeMargin) * 60_000, goneAt: nil,
            isTornDown: false, buildID: request.buildID, attempt: request.attempt, begun: now,
            providerKind: provider.kind)
        let admission = try admit(record, key: wanted.key, request: wanted.text, quota: wanted.token.maxRunners)
        switch admission {
        case nil: return .stopping
        case .known(let known, sameRequest: true)?: return .known(known.answer(at: clock))
        case .known?: return .keyIsTaken
        case .refused(let obstacle)?: return .refused(obstacle)
        case .admitted?:
            aside { self.make(order, by: provider, from: machine) }
            return .created(record.answer(at: clock))
        }
    }

    /// nil where the fleet is stopping. The runner counts as being made before anyone can see it, so that nobody removes it
    /// before it is made.
    func admit(
        _ record: RunnerRecord, key: String, request: String, quota: Int? = nil
    ) throws(StoreError) -> Store.Admission? {
        // A stop that begins now waits until this runner is in the roster, and then finds it there.
        let isServing = phase.update { phase in
            guard phase.stage == .serving else { return false }
            phase.admitting += 1
            return true
        }
        guard isServing else { return nil }
        defer { phase.update { $0.admitting -= 1 } }
        _ = making.update { $0.insert(record.id) }
        var isAdmitted = false
        defer { if !isAdmitted { isMade(record.id) } }
        let admission = try roster.admit(record, key: key, request: request, within: allowed.value, quota: quota)
        isAdmitted = admission == .admitted
        return admission
    }

    /// The runner as it is. While it is pending, it is waited for up to the limit. nil where there is no such runner.
    package func runner(_ id: String, waitingAtMost limit: Duration = .zero) throws(StoreError) -> RunnerAnswer? {
        let end = ContinuousClock.now + limit
        while true {
            let seen = changes.current
            guard let record = try roster.runner(id), record.state != .gone else { return nil }
            let left = end - .now
            guard record.state == .pending, left > .zero, phase.current.stage != .stopped else {
                return record.answer(at: clock)
            }
            _ = changes.wait(atMost: left) { $0 == seen ? nil : true }
        }
    }

    /// What is known of the runner; nil where there never was one by that id, it is forgotten, or no build has it yet.
    package func record(of id: String) throws(StoreError) -> RunnerRecord? {
        try roster.runner(id).flatMap { $0.isOnStandby ? nil : $0 }
    }

    /// Takes as long as it does to find out that there is no runner by some id.
    package func missARunner() throws(StoreError) {
        _ = try roster.runner("")
    }

    package func runners(whereWorkspace isWanted: (String) -> Bool) -> [RunnerAnswer] {
        unfinished.filter { $0.state != .gone && isWanted($0.workspace) }
            .map { $0.answer(at: clock) }
    }

    package enum HeartbeatOutcome: Sendable {
        case renewed(RunnerAnswer)
        case gone(String)
        case unknown
    }

    /// Where the store cannot be written, the lease is renewed all the same.
    package func heartbeat(_ id: String) throws(StoreError) -> HeartbeatOutcome {
        guard let record = try roster.runner(id) else { return .unknown }
        guard let renewed = roster.renewLease(id, at: clock.now()) else {
            return .gone(record.reason ?? record.reasonToEnd(at: clock.now()) ?? "it is being destroyed")
        }
        return .renewed(renewed.answer(at: clock))
    }

    package enum DestroyOutcome: Sendable {
        case gone(RunnerAnswer)
        case unknown
        /// It could not be removed in time: a runner is reported as gone only once it is.
        case failed(String)
    }

    /// Returns once nothing is left of the runner but files that are being deleted. This works even if the store cannot
    /// be written.
    package func destroy(_ id: String, reason: String) throws(StoreError) -> DestroyOutcome {
        guard let known = try roster.runner(id) else { return .unknown }
        if known.isFinished {
            let age = known.goneAt.map(clock.milliseconds(since:)) ?? 0
            return age < Self.goneIsRemembered ? .gone(known.answer(at: clock)) : .unknown
        }
        switch end(id, reason: reason).wait(atMost: patience, until: { $0 }) {
        case .success: break
        case .failure(let problem): return .failed(problem.description)
        case nil: return .failed("that takes longer than \(patience), and goes on")
        }
        guard let record = try roster.runner(id) else { return .unknown }
        return .gone(record.answer(at: clock))
    }
}

// MARK: - Making and unmaking

extension Fleet {
    /// Makes the runner, on a thread of its own; `spawn` has noted that the runner is being made. Where a machine has booted
    /// already it is handed over; if that fails, one is made in its place.
    private func make(_ order: RunnerOrder, by provider: ServedProvider, from machine: RunnerRecord?) {
        let problem = attempt(order, by: provider, from: machine)
        isMade(order.runnerID)
        if let problem {
            log.error("runner_failed", "runner \(order.runnerID) failed: \(problem)", order.fields)
            fail(order.runnerID, reason: problem.description, cause: "failed")
        }
        changes.update { $0 += 1 }
    }

    /// Returns why the runner failed. It is no failure if the runner was destroyed meanwhile: whoever destroyed it
    /// waits until this returns, and then removes what there is.
    private func attempt(
        _ order: RunnerOrder, by served: ServedProvider, from machine: RunnerRecord?
    ) -> ProviderError? {
        let id = order.runnerID
        let start = ContinuousClock.now
        guard isPending(id) else { return nil }
        do throws(ProviderError) {
            let provider = try served.opened()
            var order = order
            let lent = Guarded(lend(to: order, by: provider, at: providers.place(of: served)))
            order.volume = lent.value?.ordered
            order.replaceVolume = { obstacle in
                lent.set(self.volumes?.replace(lentTo: id, because: obstacle))
                return lent.value?.ordered
            }
            var place: RunnerPlace
            if let machine, let handedOver = handOver(machine, to: order, by: provider) {
                place = handedOver
            } else {
                place = try create(order, by: provider)
            }
            place.volume = lent.value?.found
            if roster.becameReady(id, at: place) {
                let took = ContinuousClock.now - start
                log.info(
                    "runner_ready", "runner \(id) is ready",
                    order.fields.merging(["milliseconds": .integer(took.milliseconds), "port": .integer(place.port)]) {
                        $1
                    })
                count(order.request.workspace, provider.name, place, readyAfter: took)
            }
            return nil
        } catch {
            return isPending(id) ? error : nil
        }
    }

    func create(_ order: RunnerOrder, by provider: any RunnerProvider) throws(ProviderError) -> RunnerPlace {
        let id = order.runnerID
        return try call(provider.name, "create", unlessAskedFor: { !isPending(id) }) { () throws(ProviderError) in
            try provider.create(order) { isPending(id) }
        }
    }

    private func count(_ workspace: String, _ provider: String, _ place: RunnerPlace, readyAfter time: Duration) {
        meters.readySeconds.observe(time.inSeconds, [workspace, provider])
        switch place.volume?.state {
        case .warm?: meters.warmStarts.add([workspace])
        case .cold?: meters.coldStarts.add([workspace, place.volume?.reason ?? ""])
        case nil: break
        }
    }

    /// Calls the provider, and remembers how that ended.
    func call<Value>(
        _ provider: String, _ name: String, unlessAskedFor isAskedFor: () -> Bool = { false },
        _ body: () throws(ProviderError) -> Value
    ) throws(ProviderError) -> Value {
        do throws(ProviderError) {
            return try meters.providerCalls.measure([provider, name], unlessAskedFor: isAskedFor, body)
        } catch {
            if !isAskedFor() {
                let failure = ProviderFailure(message: error.description, at: clock.wallClock())
                lastProviderErrors.update { $0[provider] = failure }
            }
            throw error
        }
    }

    func isMade(_ id: String) {
        _ = making.update { $0.remove(id) }
    }

    func isPending(_ id: String) -> Bool {
        roster.unfinished(id)?.state == .pending
    }

    private func fail(_ id: String, reason: String, cause: String) {
        if let record = roster.becameFailed(id, reason: reason) { meters.reaped.add([record.workspace, cause]) }
        changes.update { $0 += 1 }
        tearDown(id)
    }

    private func end(_ id: String, reason: String) -> Teardown {
        roster.becameGone(id, reason: reason, at: clock.moment)
        changes.update { $0 += 1 }
        return tearDown(id)
    }

    /// Ends it where the condition holds; nil where it does not, or it was gone before.
    @discardableResult
    func end(_ id: String, reason: String, where condition: (RunnerRecord) -> Bool) -> RunnerRecord? {
        let ended = roster.becameGone(id, reason: reason, at: clock.moment, where: condition)
        guard let ended else { return nil }
        changes.update { $0 += 1 }
        tearDown(id)
        return ended
    }

    /// Has everything that is left of the runner removed, by the teardown that is under way or by a new one.
    @discardableResult
    private func tearDown(_ id: String) -> Teardown {
        let (teardown, isNew) = teardowns.update { running in
            if let teardown = running[id] { return (teardown, false) }
            let teardown = Teardown(nil)
            running[id] = teardown
            return (teardown, true)
        }
        if isNew {
            aside {
                let result = Result { () throws(ProviderError) in try self.removeAll(of: id) }
                switch result {
                case .success: self.leaks.isRemoved(id)
                case .failure(let problem):
                    let record = self.roster.unfinished(id)
                    self.meters.destroysRepeated.add([record?.workspace ?? Label.other, record?.provider ?? ""])
                    self.log.error("teardown_failed", "runner \(id): \(problem)", ["runner_id": .string(id)])
                    if let record { self.leaks.couldNotRemove(record, because: problem) }
                }
                let isOver = (try? result.get()) == .complete
                let retry = self.clock.now() + Self.pauseAfterFailedTeardown
                self.nextTries.update { $0[.tearDown(id)] = isOver ? nil : retry }
                self.teardowns.update { $0[id] = nil }
                teardown.update { $0 = result }
                self.changes.update { $0 += 1 }
            }
        }
        return teardown
    }

    private func removeAll(of id: String) throws(ProviderError) -> Removal {
        // The thread that makes the runner notices that it is no longer wanted, and stops.
        guard making.wait(atMost: patience, until: { $0.contains(id) ? nil : true }) != nil else {
            throw ProviderError("it is still being made after \(patience)")
        }
        guard keeps.wait(atMost: patience, until: { $0[id] == nil ? true : nil }) != nil else {
            throw ProviderError("its volume is still being kept after \(patience)")
        }
        guard let record = roster.unfinished(id), !record.isTornDown else { return .complete }
        // Not all that is damaged keeps an engine from starting: some of it ends the engine at its first build.
        if let end = providers.maker(of: record)?.engineEndByItself(id) { volumes?.failedEngine(lentTo: id, end) }
        let removal = try call(record.provider, "destroy") { () throws(ProviderError) in
            try providers.remover(of: record).destroy(id)
        }
        try volumes?.takeBack(from: id, at: providers.place(of: record))
        switch removal {
        case .deleting:
            roster.isBeingDeleted(id)
        case .complete:
            if let begun = record.begun, !record.isOnStandby {
                let age = Double(clock.now() - begun) / 1000
                meters.lifetimes.observe(age, [record.workspace, record.provider])
            }
            roster.becameTornDown(id)
            log.info(
                "runner_gone", "runner \(id) is gone: \(record.reason ?? "no reason")", ["runner_id": .string(id)])
        }
        return removal
    }

    func aside(_ body: @escaping @Sendable () -> Void) {
        do {
            try startThread(body)
        } catch {
            // No thread can be started: doing it here, late, is better than never.
            body()
        }
    }

    /// True at most once in each pause.
    private func isDue(_ chore: Chore, pause: Int) -> Bool {
        let now = clock.now()
        return nextTries.update { times in
            guard now >= times[chore] ?? 0 else { return false }
            times[chore] = now + pause
            return true
        }
    }

    static func newRunnerID() -> String {
        var id = "r-"
        // The id is short because socket paths contain it, and has 50 random bits because folders are named after it.
        for _ in 0..<10 {
            id.append(Character(Unicode.Scalar("abcdefghijkmnpqrstuvwxyz23456789".utf8.randomElement() ?? 0x61)))
        }
        return id
    }
}

extension Fleet.SpawnOutcome {
    /// Why there is no runner, as metrics call it; nil where there is one.
    fileprivate var refusal: String? {
        switch self {
        case .created, .known: nil
        case .keyIsTaken: "conflict"
        case .unservable: "unservable"
        case .refused(.capacity), .refused(.provider), .hindered(.noRoom): Fleet.noRoom
        case .refused(.quota): "quota"
        case .hindered(.unreachable): "unreachable"
        case .hindered(.diskFull): "disk_full"
        case .stopping: "stopping"
        }
    }
}

extension Fleet.SpawnOutcome {
    /// Whether it is refused because of all runners together, wherever they are.
    fileprivate var isForAll: Bool { if case .refused(.capacity) = self { true } else { false } }
}

extension RunnerOrder {
    fileprivate var fields: [String: JSONValue] {
        [
            "runner_id": .string(runnerID), "workspace": .string(request.workspace),
            "build_id": .string(request.buildID),
        ]
    }
}

// MARK: - Volumes

extension Fleet {
    package enum KeepOutcome: Sendable {
        case answered(KeptVolume)
        case notReady
        case gone(String)
        case unknown
    }

    /// Stops the runner's engine and keeps its volume. The lease is held meanwhile.
    package func keep(_ id: String, _ request: KeepRequest) throws(StoreError) -> KeepOutcome {
        guard try roster.runner(id) != nil else { return .unknown }
        let (keep, isNew) = keeps.update { running in
            if let keep = running[id] { return (keep, false) }
            let keep = Keep(nil)
            running[id] = keep
            return (keep, true)
        }
        if !isNew, let outcome = keep.wait(atMost: nil, until: { $0 }) { return outcome }
        let outcome = stopAndKeep(id, request)
        keep.update { $0 = outcome }
        keeps.update { $0[id] = nil }
        return outcome
    }

    /// A teardown that begins from now on waits until this returns.
    private func stopAndKeep(_ id: String, _ request: KeepRequest) -> KeepOutcome {
        guard let record = roster.unfinished(id) else { return .gone("it is destroyed") }
        switch record.state {
        case .pending, .failed: return .notReady
        case .gone: return .gone(record.reason ?? "it is being destroyed")
        case .ready: break
        }
        guard let volumes else { return .answered(.discarded(.notAsked)) }
        if let answer = volumes.answer(toKeepOf: id) { return .answered(answer) }
        // In the end the lease is renewed, unless it ran out meanwhile.
        defer { _ = roster.renewLease(id, at: clock.now()) }
        do throws(ProviderError) {
            guard let maker = providers.maker(of: record) else {
                throw ProviderError("its provider '\(record.provider)' is not there")
            }
            // Room for what the next builds add: an engine that starts each time with all that it may have keeps nothing.
            let bytes = volumes.limits.each / 4 * 3
            let end = try call(record.provider, "stop_engine") { () throws(ProviderError) in
                try maker.stopEngine(id, leaving: bytes)
            }
            switch end {
            case .clean:
                let kept = volumes.keep(lentTo: id, executedMS: request.executedMS, by: record.provider)
                return .answered(kept)
            case .unclear(let reason): return .answered(volumes.discard(lentTo: id, because: reason))
            }
        } catch {
            return .answered(volumes.discard(lentTo: id, because: error.description))
        }
    }

    /// nil where none was asked for, or there are none anywhere.
    private func lend(to order: RunnerOrder, by provider: any RunnerProvider, at place: Place) -> Lending? {
        guard let volumes, let wanted = order.request.volume else { return nil }
        openVolumes(of: volumes, at: place)
        guard volumes.support != .none else { return nil }
        return volumes.lend(
            to: order.runnerID, at: place, wanted, workspace: order.request.workspace,
            engine: provider.engineKind(for: order.request), platform: provider.platform)
    }

    /// What was not there at the start. Nothing is handed out there before.
    private func openVolumes(of volumes: Volumes, at place: Place) {
        guard volumes.awaits(place), providers.isThere(place),
            isDue(.openVolumes(place), pause: Self.pauseAfterFailedTeardown)
        else { return }
        do {
            try volumes.open(place) { roster.standing }
        } catch {
            log.error("volumes_not_found", "volumes are tried again: \(error)", place.fields)
        }
    }
}

extension Lending {
    fileprivate var ordered: OrderedVolume? {
        folder.map { OrderedVolume(folder: $0, isWarm: found.state == .warm) }
    }
}

// MARK: - Reaping

extension Fleet {
    /// Ends the runners that have outlived their lease or lifetime, those that died by themselves, and what an earlier
    /// try left of others. It also records what could not be recorded before, and forgets what is old.
    package func reap() {
        endWhatIsOver()
        for place in providers.places { look(at: place) }
    }

    /// All that needs no word of a provider: one that hangs keeps no lease alive.
    private func endWhatIsOver() {
        roster.catchUp()
        let beingTornDown = teardowns.current
        let beingKept = keeps.current
        for record in roster.unfinished where beingTornDown[record.id] == nil {
            let id = record.id
            if !record.isTornDown, record.state == .gone || record.state == .failed {
                if isDue(.tearDown(id), pause: Self.pauseAfterFailedTeardown) { tearDown(id) }
            } else if beingKept[id] == nil, let reason = record.reasonToEnd(at: clock.now()) {
                expire(id, reason: reason)
            }
        }
        keepStandby()
        if isDue(.forget, pause: Self.pauseAfterForgetting) {
            forget()
            volumes?.tidySoon()
        }
    }

    /// Finds out which runners there have ended by themselves, and what is there that belongs to nobody.
    private func look(at place: Providers.Place) {
        let pause = unswept.value.contains(place) ? Self.pauseAfterFailedTeardown : Self.pauseBetweenSweeps
        if isDue(.sweep(place), pause: pause) { sweep(place) }
        if let volumes { openVolumes(of: volumes, at: place) }
        let beingMade = making.current
        let beingTornDown = teardowns.current
        let beingKept = keeps.current
        for record in roster.unfinished where providers.place(of: record) == place && record.state == .ready {
            let id = record.id
            guard beingMade.contains(id) == false, beingTornDown[id] == nil, beingKept[id] == nil,
                record.reasonToEnd(at: clock.now()) == nil, hasDied(record)
            else { continue }
            guard !record.isOnStandby else {
                standbyDied(record)
                continue
            }
            let reason = (try? providers.remover(of: record))?.causeOfDeath(id) ?? "its sshd has ended"
            log.warning("runner_lost", "runner \(id) has ended by itself: \(reason)", ["runner_id": .string(id)])
            fail(id, reason: reason, cause: "died")
        }
    }

    /// What an earlier life has left at a place that did not answer at the start, or that was not seen yet: a machine that
    /// was still being made, or whose member was away.
    private func sweep(_ place: Providers.Place) {
        let reconciliation = Reconciliation(
            roster: roster, providers: providers, clock: clock, log: log, waitsForDeletion: false)
        guard (try? reconciliation.removeStrays(at: place)) == true else { return }
        unswept.update { _ = $0.remove(place) }
    }

    private func expire(_ id: String, reason: String) {
        let ended = end(id, reason: reason) { !$0.isReserved && $0.reasonToEnd(at: clock.now()) != nil }
        guard let record = ended else { return }
        if record.isOnStandby {
            meters.standbyEnds.add([record.provider, "expired"])
        } else {
            meters.reaped.add([record.workspace, record.lifeEnds <= clock.now() ? "lifetime" : "lease"])
        }
    }

    /// A failed look, for example for lack of descriptors, says nothing about the runner: it does not count as dead.
    private func hasDied(_ record: RunnerRecord) -> Bool {
        let id = record.id
        do {
            return try !call(record.provider, "is_alive") { () throws(ProviderError) in
                try providers.remover(of: record).isAlive(id, at: record.place)
            }
        } catch {
            if isDue(.complain(providers.place(of: record)), pause: Self.pauseAfterComplaint) {
                log.error("runner_unseen", "runner \(id) cannot be looked at: \(error)", ["runner_id": .string(id)])
            }
            return false
        }
    }

    private func forget() {
        do {
            try roster.forget(goneFor: Self.keyIsRemembered, at: clock.moment)
        } catch {
            log.error("store_failed", "what is old could not be forgotten: \(error)")
        }
    }
}

// MARK: - Until the end

extension Fleet {
    /// From now on no runner is made. Destroys every runner if asked to, and ends all waiting. False where that was not
    /// done in time: a runner is left, or the record of one that is kept is not up to date.
    package func stop(destroying: Bool) -> Bool {
        let end = ContinuousClock.now + patience
        func wait<Value, Sign>(for monitor: Monitor<Value>, until body: (inout Value) -> Sign?) -> Sign? {
            monitor.wait(atMost: max(.zero, end - .now), until: body)
        }
        phase.update { $0.stage = .stopping }
        _ = wait(for: phase) { $0.admitting == 0 ? true : nil }
        var isDone = true
        // Runners that are being made are either finished or given up.
        if destroying {
            let teardowns = roster.unfinished.map {
                (id: $0.id, teardown: self.end($0.id, reason: "the orchestrator is stopping"))
            }
            for (id, teardown) in teardowns {
                if case .success = wait(for: teardown, until: { $0 }) { continue }
                log.error("runner_left", "runner \(id) is left; the next start removes it", ["runner_id": .string(id)])
                isDone = false
            }
        }
        _ = wait(for: making) { $0.isEmpty ? true : nil }
        _ = wait(for: keeps) { $0.isEmpty ? true : nil }
        if !roster.catchUp(), !destroying { isDone = false }
        phase.update { $0.stage = .stopped }
        changes.update { $0 += 1 }
        return isDone
    }

    /// Reaps until the fleet is stopped. Each place is looked at by a thread of its own: one that hangs keeps nobody from
    /// the others.
    package func startReaper(every interval: Duration = .milliseconds(500)) throws(SystemError) {
        func start(_ chore: @escaping @Sendable () -> Void) throws(SystemError) {
            try startThread {
                while self.phase.wait(atMost: interval, until: { $0.stage == .serving ? nil : true }) == nil {
                    chore()
                }
            }
        }
        try start { self.endWhatIsOver() }
        for place in providers.places { try start { self.look(at: place) } }
    }
}
