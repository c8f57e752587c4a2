import LianModel
import LianSystem

/// All runners of this orchestrator: who may have one, for how long, and what becomes of it. Whatever is true stands
/// in the store; the fleet only adds who is at work on which runner.
package final class Fleet: Sendable {
    /// A runner never lives longer than its time budget and this.
    private static let lifetimeMargin = 15
    /// How long a destroyed runner still answers a repeated destroy with 200.
    private static let goneIsRemembered = 3_600_000
    /// How long an Idempotency-Key is remembered after its runner is gone: longer than any client goes on trying.
    private static let keyIsRemembered = 48 * 3_600_000
    private static let pauseAfterFailedTeardown = 10_000

    private let store: Store
    private let provider: any RunnerProvider
    private let clock: BootClock
    private let log: EventLog
    private let capacity: Int
    /// The runners that a thread is making or unmaking right now.
    private let claimed = Monitor<Set<String>>([])
    /// Counts the changes of any runner's state: who waits for one looks again.
    private let changes = Monitor(0)
    private let phase = Monitor(Phase.serving)
    /// When a teardown that failed may be tried again.
    private let nextTries = Monitor<[String: Int]>([:])

    private enum Phase { case serving, stopping, stopped }

    package init(store: Store, provider: any RunnerProvider, clock: BootClock, log: EventLog, capacity: Int) {
        self.store = store
        self.provider = provider
        self.clock = clock
        self.log = log
        self.capacity = capacity
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
        if let reason = provider.refusal(of: request) { return .unservable(reason) }
        let now = clock.now()
        let order = RunnerOrder(runnerID: Self.newRunnerID(), request: request, key: key)
        let record = RunnerRecord(
            id: order.runnerID, workspace: request.workspace, provider: provider.name, size: request.size,
            leaseSeconds: request.leaseSeconds, state: .pending, reason: nil, place: nil, bootID: clock.bootID,
            leaseEnds: now + request.leaseSeconds * 1000,
            lifeEnds: now + (request.timeBudgetMinutes + Self.lifetimeMargin) * 60_000, goneAt: nil,
            isTornDown: false)
        // A stop that begins now waits until the runner stands in the store, and then finds it there.
        let admission = try phase.update { (phase) throws(StoreError) -> Store.Admission? in
            guard phase == .serving else { return nil }
            return try admit(record, key: idempotencyKey, request: request.json.encoded())
        }
        switch admission {
        case nil: return .stopping
        case .known(let known, sameRequest: true): return .known(known.answer(at: clock))
        case .known: return .keyIsTaken
        case .full: return .full
        case .admitted:
            aside { self.make(order) }
            return .created(record.answer(at: clock))
        }
    }

    /// Claims the runner before anyone can see it, so that nobody unmakes it before it is made.
    private func admit(_ record: RunnerRecord, key: String, request: String) throws(StoreError) -> Store.Admission {
        claim(record.id)
        do {
            let admission = try store.admit(record, key: key, request: request, capacity: capacity)
            if admission != .admitted { release(record.id) }
            return admission
        } catch {
            release(record.id)
            throw error
        }
    }

    /// The runner as it is, or, where it is pending, as it is once it no longer is; nil where there is none.
    package func runner(_ id: String, waitingAtMost limit: Duration = .zero) throws(StoreError) -> RunnerAnswer? {
        let end = ContinuousClock.now + limit
        while true {
            let seen = changes.current
            guard let record = try store.runner(id), record.state != .gone else { return nil }
            let left = end - .now
            guard record.state == .pending, left > .zero, phase.current != .stopped else {
                return record.answer(at: clock)
            }
            _ = changes.wait(atMost: left) { $0 == seen ? nil : true }
        }
    }

    package func runners(of workspace: String?) throws(StoreError) -> [RunnerAnswer] {
        try store.runners(of: workspace).map { $0.answer(at: clock) }
    }

    package enum HeartbeatOutcome: Sendable {
        case renewed(RunnerAnswer)
        case gone(String)
        case unknown
    }

    package func heartbeat(_ id: String) throws(StoreError) -> HeartbeatOutcome {
        guard let record = try store.runner(id) else { return .unknown }
        let now = clock.now()
        let renewed = try store.renewLease(id, until: now + record.leaseSeconds * 1000, at: now)
        guard renewed, let record = try store.runner(id) else {
            return .gone(record.reason ?? "its lease has run out")
        }
        return .renewed(record.answer(at: clock))
    }

    package enum DestroyOutcome: Sendable {
        case gone(RunnerAnswer)
        case unknown
        /// Nobody will be told that it is gone before it is.
        case failed(String)
    }

    /// Returns once nothing of the runner is left.
    package func destroy(_ id: String, reason: String) throws(StoreError) -> DestroyOutcome {
        guard let known = try store.runner(id) else { return .unknown }
        if known.state == .gone, known.isTornDown {
            let age = clock.wallClock() - (known.goneAt ?? 0)
            return age < Self.goneIsRemembered ? .gone(known.answer(at: clock)) : .unknown
        }
        try store.becameGone(id, reason: reason, at: clock.wallClock())
        changes.update { $0 += 1 }
        if let problem = try tearDown(id) { return .failed(problem) }
        guard let record = try store.runner(id) else { return .unknown }
        return .gone(record.answer(at: clock))
    }
}

// MARK: - Making and unmaking

extension Fleet {
    /// On a thread of its own, with the claim that `spawn` took.
    private func make(_ order: RunnerOrder) {
        let id = order.runnerID
        let fields: [String: JSONValue] = [
            "runner_id": .string(id), "workspace": .string(order.request.workspace),
            "build_id": .string(order.request.buildID),
        ]
        defer {
            release(id)
            changes.update { $0 += 1 }
        }
        do {
            do {
                let start = ContinuousClock.now
                guard isPending(id) else { return }
                let place = try provider.create(order) { isPending(id) }
                if try store.becameReady(id, at: place) {
                    let took = (ContinuousClock.now - start).milliseconds
                    log.info(
                        "runner_ready", "runner \(id) is ready",
                        fields.merging(["milliseconds": .integer(took), "port": .integer(place.port)]) { $1 })
                }
            } catch let error as ProviderError {
                // Destroyed meanwhile: whoever destroyed it waits for the claim and removes what there is.
                guard isPending(id) else { return }
                log.error("runner_failed", "runner \(id) failed: \(error)", fields)
                try store.becameFailed(id, reason: error.description)
                try provider.destroy(id)
                try store.becameTornDown(id)
            }
        } catch {
            log.error("runner_stuck", "runner \(id) could not be cleared away: \(error); trying again later", fields)
        }
    }

    private func isPending(_ id: String) -> Bool {
        (try? store.runner(id)?.state) == .pending
    }

    /// Removes what is left of a runner. Returns what stood in the way.
    private func tearDown(_ id: String) throws(StoreError) -> String? {
        claim(id)
        defer {
            release(id)
            changes.update { $0 += 1 }
        }
        guard let record = try store.runner(id), !record.isTornDown else { return nil }
        do {
            try provider.destroy(id)
        } catch {
            log.error("teardown_failed", "runner \(id): \(error)", ["runner_id": .string(id)])
            nextTries.update { $0[id] = clock.now() + Self.pauseAfterFailedTeardown }
            return error.description
        }
        nextTries.update { $0[id] = nil }
        try store.becameTornDown(id)
        log.info("runner_gone", "runner \(id) is gone: \(record.reason ?? "no reason")", ["runner_id": .string(id)])
        return nil
    }

    private func aside(_ body: @escaping @Sendable () -> Void) {
        do {
            try startThread(body)
        } catch {
            // No thread to be had: late is better than never.
            body()
        }
    }

    private func claim(_ id: String) {
        claimed.wait(atMost: nil) { $0.insert(id).inserted ? true : nil }
    }

    private func release(_ id: String) {
        _ = claimed.update { $0.remove(id) }
    }

    private func isDueAgain(_ id: String) -> Bool {
        clock.now() >= nextTries.current[id] ?? 0
    }

    private func isClaimed(_ id: String) -> Bool {
        claimed.current.contains(id)
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

// MARK: - Reaping

extension Fleet {
    /// Ends what has outlived its lease or its lifetime, what has died by itself, and what an earlier try left.
    package func reap() throws(StoreError) {
        let now = clock.now()
        for record in try store.unfinished() where !isClaimed(record.id) {
            if !record.isTornDown, record.state == .gone || record.state == .failed {
                if isDueAgain(record.id) { aside { self.retry(record.id) } }
            } else if record.reasonToEnd(at: now) != nil {
                aside { self.expire(record.id) }
            } else if record.state == .ready, !provider.isAlive(record.id) {
                aside { self.lose(record.id) }
            }
        }
        try store.forgetRunners(goneBefore: clock.wallClock() - Self.keyIsRemembered)
    }

    private func retry(_ id: String) {
        guarded(id) { () throws(StoreError) in _ = try tearDown(id) }
    }

    private func expire(_ id: String) {
        guarded(id) { () throws(StoreError) in
            // A heartbeat may have come between the look and now.
            guard let reason = try store.runner(id)?.reasonToEnd(at: clock.now()) else { return }
            _ = try destroy(id, reason: reason)
        }
    }

    /// A ready runner whose sshd has ended: it has failed, and nothing of it is of use any more.
    private func lose(_ id: String) {
        guarded(id) { () throws(StoreError) in
            // It may have been destroyed between the two looks.
            guard try store.runner(id)?.state == .ready else { return }
            log.warning("runner_lost", "runner \(id) has ended by itself", ["runner_id": .string(id)])
            try store.becameFailed(id, reason: "its sshd has ended")
            _ = try tearDown(id)
        }
    }

    private func guarded(_ id: String, _ body: () throws(StoreError) -> Void) {
        do {
            try body()
        } catch {
            log.error("store_failed", "runner \(id): \(error)", ["runner_id": .string(id)])
        }
    }
}

// MARK: - Until the end

extension Fleet {
    /// From now on nothing is spawned. Destroys every runner where asked, and lets nobody wait any longer.
    package func stop(destroying: Bool) throws(StoreError) {
        phase.update { $0 = .stopping }
        // What is being made is made to its end, or unmade below.
        if destroying {
            let left = Monitor(0)
            for record in try store.unfinished() {
                left.update { $0 += 1 }
                aside {
                    self.guarded(record.id) { () throws(StoreError) in
                        _ = try self.destroy(record.id, reason: "the orchestrator is stopping")
                    }
                    left.update { $0 -= 1 }
                }
            }
            left.wait(atMost: nil) { $0 == 0 ? true : nil }
        }
        claimed.wait(atMost: nil) { $0.isEmpty ? true : nil }
        phase.update { $0 = .stopped }
        changes.update { $0 += 1 }
    }

    /// Reaps until the fleet is stopped.
    package func startReaper(every interval: Duration = .milliseconds(500)) throws(SystemError) {
        try startThread {
            while self.phase.wait(atMost: interval, until: { $0 == .serving ? nil : true }) == nil {
                do {
                    try self.reap()
                } catch {
                    self.log.error("store_failed", "the reaper could not read the store: \(error)")
                }
            }
        }
    }
}
