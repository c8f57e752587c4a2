import LianModel

/// Brings the store and the machine together after a stop of any kind, before anything is served. Runners that were
/// ready and still answer live on; everything else goes.
package struct Reconciliation {
    private let store: Store
    private let remover: any RunnerRemover
    private let clock: BootClock
    private let log: EventLog

    package init(store: Store, remover: any RunnerRemover, clock: BootClock, log: EventLog) {
        self.store = store
        self.remover = remover
        self.clock = clock
        self.log = log
    }

    /// Returns once it is so; false where something could not be removed. What the store knows of that is tried again
    /// by the reaper, and all of it by the next start.
    package func run() throws -> Bool {
        let known = try store.unfinished()
        var isClean = true
        for id in try remover.existing() where !known.contains(where: { $0.id == id && !$0.isTornDown }) {
            log.warning("stray_found", "\(id) is on this machine but not in the store", ["runner_id": .string(id)])
            if !remove(id) { isClean = false }
        }
        for record in known where try !livesOn(record) && !record.isTornDown {
            if remove(record.id) {
                try store.becameTornDown(record.id)
            } else {
                isClean = false
            }
        }
        return isClean
    }

    private func remove(_ id: String) -> Bool {
        do {
            try remover.destroy(id)
            log.info("runner_removed", "runner \(id) is removed", ["runner_id": .string(id)])
            return true
        } catch {
            log.error("teardown_failed", "runner \(id): \(error)", ["runner_id": .string(id)])
            return false
        }
    }

    /// Settles what the runner is now; true where it is to stay.
    private func livesOn(_ record: RunnerRecord) throws -> Bool {
        if record.bootID != clock.bootID {
            try store.becameGone(record.id, reason: "the machine was started anew", at: clock.wallClock())
        } else if let reason = record.reasonToEnd(at: clock.now()) {
            try store.becameGone(record.id, reason: reason, at: clock.wallClock())
        } else if record.state == .pending {
            let reason = "the orchestrator was stopped before the runner was ready"
            try store.becameGone(record.id, reason: reason, at: clock.wallClock())
        } else if record.state == .ready {
            if remover.isAlive(record.id) {
                log.info("runner_kept", "runner \(record.id) lives on", ["runner_id": .string(record.id)])
                return true
            }
            try store.becameFailed(record.id, reason: "its sshd has ended")
        }
        return false
    }
}
