import LianModel

/// Makes the roster and the machine agree after a stop of any kind, before anything is served. Runners that were ready
/// and still answer live on; everything else is removed.
package struct Reconciliation: Sendable {
    private let roster: Roster
    private let remover: any RunnerRemover
    private let clock: BootClock
    private let log: EventLog
    /// Whether to wait until even very many files are deleted.
    private let waitsForDeletion: Bool

    package init(
        roster: Roster, remover: any RunnerRemover, clock: BootClock, log: EventLog, waitsForDeletion: Bool
    ) {
        self.roster = roster
        self.remover = remover
        self.clock = clock
        self.log = log
        self.waitsForDeletion = waitsForDeletion
    }

    /// Returns once roster and machine agree; false where something could not be removed or looked at. The reaper tries
    /// again what the roster knows of, and the next start tries all of it.
    package func run() throws(ProviderError) -> Bool {
        let known = roster.unfinished
        var isClean = true
        for id in try remover.existing() where !known.contains(where: { $0.id == id && !$0.isTornDown }) {
            log.warning("stray_found", "\(id) is on this machine but not in the store", ["runner_id": .string(id)])
            if !remove(id) { isClean = false }
        }
        for record in known {
            do {
                if try !livesOn(record), !record.isTornDown, !remove(record.id) { isClean = false }
            } catch {
                log.error(
                    "runner_unseen", "runner \(record.id) cannot be looked at, and is left as it is: \(error)",
                    ["runner_id": .string(record.id)])
                isClean = false
            }
        }
        return isClean
    }

    private func remove(_ id: String) -> Bool {
        log.info("removing", "removing runner \(id)", ["runner_id": .string(id)])
        do {
            while try remover.destroy(id) == .deleting {
                guard waitsForDeletion else {
                    roster.isBeingDeleted(id)
                    return true
                }
            }
            roster.becameTornDown(id)
            log.info("runner_removed", "runner \(id) is removed", ["runner_id": .string(id)])
            return true
        } catch {
            log.error("teardown_failed", "runner \(id): \(error)", ["runner_id": .string(id)])
            return false
        }
    }

    /// Records what the runner is now; true where it stays.
    private func livesOn(_ record: RunnerRecord) throws(ProviderError) -> Bool {
        if record.bootID != clock.bootID {
            roster.becameGone(record.id, reason: "the machine was started anew", at: clock.moment)
        } else if let reason = record.reasonToEnd(at: clock.now()) {
            roster.becameGone(record.id, reason: reason, at: clock.moment)
        } else if record.state == .pending {
            let reason = "the orchestrator was stopped before the runner was ready"
            roster.becameGone(record.id, reason: reason, at: clock.moment)
        } else if record.state == .ready {
            if try remover.isAlive(record.id) {
                log.info("runner_kept", "runner \(record.id) lives on", ["runner_id": .string(record.id)])
                return true
            }
            roster.becameFailed(record.id, reason: "its sshd has ended")
        }
        return false
    }
}
