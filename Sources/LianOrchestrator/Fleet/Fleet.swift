import LianModel
import LianSystem

/// All runners of this orchestrator: who may have one, for how long, and what becomes of it. What is true of them
/// stands in the roster; the fleet only adds who is at work on which runner.
package final class Fleet: Sendable {
    /// A runner never lives longer than its time budget and this.
    private static let lifetimeMargin = 15
    /// How long a destroyed runner still answers a repeated destroy with 200.
    private static let goneIsRemembered = 3_600_000
    /// How long an Idempotency-Key is remembered after its runner is gone: longer than any client goes on trying.
    private static let keyIsRemembered = 48 * 3_600_000
    private static let pauseAfterFailedTeardown = 10_000
    private static let pauseAfterForgetting = 60_000
    private static let pauseAfterComplaint = 10_000
    /// The most that a request for a runner may take: it is remembered as long as its key.
    static let requestLimit = 16 << 10

    private let roster: Roster
    private let provider: any RunnerProvider
    private let clock: BootClock
    private let log: EventLog
    private let capacity: Int
    /// How long anyone waits for a runner to be torn down, or a stop for all of them.
    private let patience: Duration
    /// The runners that a thread is making right now.
    private let making = Monitor<Set<String>>([])
    /// The teardowns under way. Whoever wants a runner gone waits for the one that there is.
    private let teardowns = Monitor<[String: Teardown]>([:])
    /// Counts the changes of any runner's state: who waits for one looks again.
    private let changes = Monitor(0)
    private let phase = Monitor(Phase())
    /// When what should not be done all the time may be done again.
    private let nextTries = Monitor<[Chore: Int]>([:])

    /// nil until it is over.
    private typealias Teardown = Monitor<Result<Removal, ProviderError>?>

    private enum Chore: Hashable { case tearDown(String), complain, forget }

    private struct Phase {
        enum Stage { case serving, stopping, stopped }
        var stage = Stage.serving
        /// Requests for runners that were let in and are not in the roster yet.
        var admitting = 0
    }

    package init(
        roster: Roster, provider: any RunnerProvider, clock: BootClock, log: EventLog, capacity: Int,
        patience: Duration = .seconds(40)
    ) {
        self.roster = roster
        self.provider = provider
        self.clock = clock
        self.log = log
        self.capacity = capacity
        self.patience = patience
    }

    package var providerName: String { provider.name }
    package var engineName: String { provider.engine }
    package var problem: String? { provider.problem }
}

// MARK: - What the API asks for

extension Fleet {
    package enum SpawnOutcome: Sendable {
        case created(RunnerAnswer)
        case known(RunnerAnswer)
        case keyIsTaken
        case unservable(String)
        case full
        case stopping
    }

    package func spawn(_ request: SpawnRequest, key idempotencyKey: String) throws(StoreError) -> SpawnOutcome {
        guard let key = SSHPublicKey(callersLine: request.sshPublicKey) else {
            return .unservable("ssh_public_key has the form of a key, but what it carries is none")
        }
        let text = request.json.encoded()
        guard text.utf8.count <= Self.requestLimit else {
            return .unservable(
                "the request has \(text.utf8.count) bytes and may have \(Self.requestLimit): shorten its labels")
        }
        if let reason = provider.refusal(of: request) { return .unservable(reason) }
        let now = clock.now()
        let order = RunnerOrder(runnerID: Self.newRunnerID(), request: request, key: key)
        let record = RunnerRecord(
            id: order.runnerID, workspace: request.workspace, provider: provider.name, size: request.size,
            leaseSeconds: request.leaseSeconds, state: .pending, reason: nil, place: nil, bootID: clock.bootID,
            leaseEnds: now + request.leaseSeconds * 1000,
            lifeEnds: now + (request.timeBudgetMinutes + Self.lifetimeMargin) * 60_000, goneAt: nil,
            isTornDown: false)
        // A stop that begins now waits until the runner is in the roster, and then finds it there.
        let isServing = phase.update { phase in
            guard phase.stage == .serving else { return false }
            phase.admitting += 1
            return true
        }
        guard isServing else { return .stopping }
        defer { phase.update { $0.admitting -= 1 } }
        switch try admit(record, key: idempotencyKey, request: text) {
        case .known(let known, sameRequest: true): return .known(known.answer(at: clock))
        case .known: return .keyIsTaken
        case .full: return .full
        case .admitted:
            aside { self.make(order) }
            return .created(record.answer(at: clock))
        }
    }

    /// It is being made before anyone can see it, so that nobody unmakes it before it is made.
    private func admit(_ record: RunnerRecord, key: String, request: String) throws(StoreError) -> Store.Admission {
        _ = making.update { $0.insert(record.id) }
        var isAdmitted = false
        defer { if !isAdmitted { isMade(record.id) } }
        let admission = try roster.admit(record, key: key, request: request, capacity: capacity)
        isAdmitted = admission == .admitted
        return admission
    }

    /// The runner as it is, or, where it is pending, as it is once it no longer is; nil where there is none.
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

    package func runners(of workspace: String?) -> [RunnerAnswer] {
        roster.unfinished.filter { $0.state != .gone && (workspace == nil || $0.workspace == workspace) }
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
        /// Nobody will be told that it is gone before it is.
        case failed(String)
    }

    /// Returns once nothing of the runner is left but files that are being deleted. It needs no store for that.
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
    /// On a thread of its own; `spawn` has noted that the runner is being made.
    private func make(_ order: RunnerOrder) {
        let problem = attempt(order)
        isMade(order.runnerID)
        if let problem {
            log.error("runner_failed", "runner \(order.runnerID) failed: \(problem)", order.fields)
            fail(order.runnerID, reason: problem.description)
        }
        changes.update { $0 += 1 }
    }

    /// Returns what the runner failed of. Where it was destroyed meanwhile that is no failure: whoever destroyed it
    /// waits for the end of this, and then removes what there is.
    private func attempt(_ order: RunnerOrder) -> ProviderError? {
        let id = order.runnerID
        let start = ContinuousClock.now
        guard isPending(id) else { return nil }
        do {
            let place = try provider.create(order) { isPending(id) }
            if roster.becameReady(id, at: place) {
                let took = (ContinuousClock.now - start).milliseconds
                log.info(
                    "runner_ready", "runner \(id) is ready",
                    order.fields.merging(["milliseconds": .integer(took), "port": .integer(place.port)]) { $1 })
            }
            return nil
        } catch {
            return isPending(id) ? error : nil
        }
    }

    private func isMade(_ id: String) {
        _ = making.update { $0.remove(id) }
    }

    private func isPending(_ id: String) -> Bool {
        roster.unfinished(id)?.state == .pending
    }

    private func fail(_ id: String, reason: String) {
        roster.becameFailed(id, reason: reason)
        changes.update { $0 += 1 }
        tearDown(id)
    }

    private func end(_ id: String, reason: String) -> Teardown {
        roster.becameGone(id, reason: reason, at: clock.moment)
        changes.update { $0 += 1 }
        return tearDown(id)
    }

    /// Has all that is left of the runner removed, by the teardown that is under way or by a new one.
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
                if case .failure(let problem) = result {
                    self.log.error("teardown_failed", "runner \(id): \(problem)", ["runner_id": .string(id)])
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
        // Whoever makes it sees that it is not wanted any more, and lets go.
        guard making.wait(atMost: patience, until: { $0.contains(id) ? nil : true }) != nil else {
            throw ProviderError("it is still being made after \(patience)")
        }
        guard let record = roster.unfinished(id), !record.isTornDown else { return .complete }
        let removal = try provider.destroy(id)
        switch removal {
        case .deleting:
            roster.isBeingDeleted(id)
        case .complete:
            roster.becameTornDown(id)
            log.info(
                "runner_gone", "runner \(id) is gone: \(record.reason ?? "no reason")", ["runner_id": .string(id)])
        }
        return removal
    }

    private func aside(_ body: @escaping @Sendable () -> Void) {
        do {
            try startThread(body)
        } catch {
            // No thread to be had: late is better than never.
            body()
        }
    }

    /// True at most once within the pause.
    private func isDue(_ chore: Chore, pause: Int) -> Bool {
        let now = clock.now()
        return nextTries.update { times in
            guard now >= times[chore] ?? 0 else { return false }
            times[chore] = now + pause
            return true
        }
    }

    private static func newRunnerID() -> String {
        var id = "r-"
        // Short, because socket paths that contain it may not be long; 50 bits, because folders are named by it.
        for _ in 0..<10 {
            id.append(Character(Unicode.Scalar("abcdefghijkmnpqrstuvwxyz23456789".utf8.randomElement() ?? 0x61)))
        }
        return id
    }
}

extension RunnerOrder {
    fileprivate var fields: [String: JSONValue] {
        [
            "runner_id": .string(runnerID), "workspace": .string(request.workspace),
            "build_id": .string(request.buildID),
        ]
    }
}

// MARK: - Reaping

extension Fleet {
    /// Ends what has outlived its lease or its lifetime, what has died by itself, and what an earlier try left; records
    /// what could not be recorded, and forgets what is old.
    package func reap() {
        roster.catchUp()
        let beingMade = making.current
        let beingTornDown = teardowns.current
        for record in roster.unfinished where beingTornDown[record.id] == nil {
            let id = record.id
            if !record.isTornDown, record.state == .gone || record.state == .failed {
                if isDue(.tearDown(id), pause: Self.pauseAfterFailedTeardown) { tearDown(id) }
            } else if let reason = record.reasonToEnd(at: clock.now()) {
                expire(id, reason: reason)
            } else if record.state == .ready, !beingMade.contains(id), hasDied(id) {
                log.warning("runner_lost", "runner \(id) has ended by itself", ["runner_id": .string(id)])
                fail(id, reason: "its sshd has ended")
            }
        }
        if isDue(.forget, pause: Self.pauseAfterForgetting) { forget() }
    }

    private func expire(_ id: String, reason: String) {
        let isOver = roster.becameGone(id, reason: reason, at: clock.moment) { $0.reasonToEnd(at: clock.now()) != nil }
        guard isOver else { return }
        changes.update { $0 += 1 }
        tearDown(id)
    }

    /// That nobody can look, as where no descriptor is left to look with, says nothing of the runner.
    private func hasDied(_ id: String) -> Bool {
        do {
            return try !provider.isAlive(id)
        } catch {
            if isDue(.complain, pause: Self.pauseAfterComplaint) {
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
    /// From now on nothing is spawned. Destroys every runner where asked, and lets nobody wait any longer. False where
    /// that could not be done in time: a runner is left, or one that is kept is not recorded as it is.
    package func stop(destroying: Bool) -> Bool {
        let end = ContinuousClock.now + patience
        func wait<Value, Sign>(for monitor: Monitor<Value>, until body: (inout Value) -> Sign?) -> Sign? {
            monitor.wait(atMost: max(.zero, end - .now), until: body)
        }
        phase.update { $0.stage = .stopping }
        _ = wait(for: phase) { $0.admitting == 0 ? true : nil }
        var isDone = true
        // What is being made is made to its end, or let go.
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
        if !roster.catchUp(), !destroying { isDone = false }
        phase.update { $0.stage = .stopped }
        changes.update { $0 += 1 }
        return isDone
    }

    /// Reaps until the fleet is stopped.
    package func startReaper(every interval: Duration = .milliseconds(500)) throws(SystemError) {
        try startThread {
            while self.phase.wait(atMost: interval, until: { $0.stage == .serving ? nil : true }) == nil {
                self.reap()
            }
        }
    }
}
