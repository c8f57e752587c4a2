import LianModel

/// Makes the roster and the machines agree after a stop of any kind, before anything is served. Runners that were ready
/// and still answer live on; everything else is removed.
package struct Reconciliation: Sendable {
    private let roster: Roster
    private let providers: Providers
    private let clock: BootClock
    private let log: EventLog
    /// The machines that are to wait for builds from now on.
    private let standby: [String: StandbyConfig]
    /// Whether to wait until even very many files are deleted.
    private let waitsForDeletion: Bool

    package init(
        roster: Roster, providers: Providers, clock: BootClock, log: EventLog, standby: [String: StandbyConfig] = [:],
        waitsForDeletion: Bool
    ) {
        self.roster = roster
        self.providers = providers
        self.clock = clock
        self.log = log
        self.standby = standby
        self.waitsForDeletion = waitsForDeletion
    }

    package struct Outcome: Equatable, Sendable {
        /// False where something could not be removed or looked at. The reaper tries again what the roster knows of, and
        /// the next start tries all of it.
        package var isClean = true
        /// The places that did not say what is there.
        package var unseen: Set<Providers.Place> = []
    }

    /// Returns once the roster agrees with all machines that answer.
    package func run() throws(ProviderError) -> Outcome {
        var outcome = Outcome()
        for record in roster.unfinished where record.isOnStandby {
            guard let reason = standby.refusal(of: record) else { continue }
            roster.becameGone(record.id, reason: reason, at: clock.moment)
        }
        let known = roster.unfinished
        for place in providers.places {
            do {
                if try !removeStrays(at: place) { outcome.isClean = false }
            } catch {
                // Of this machine itself everything has to be known.
                if place == .machine { throw error }
                log.warning("provider_unseen", "what is left there is found later: \(error)", place.fields)
                outcome.isClean = false
                outcome.unseen.insert(place)
            }
        }
        for record in known {
            do {
                if try !livesOn(record), !record.isTornDown, !remove(record) { outcome.isClean = false }
            } catch {
                log.error(
                    "runner_unseen", "runner \(record.id) cannot be looked at, and is left as it is: \(error)",
                    ["runner_id": .string(record.id)])
                outcome.isClean = false
            }
        }
        return outcome
    }

    /// Removes what is there and belongs to no runner that is known, whoever made it; false where something is left.
    func removeStrays(at place: Providers.Place) throws(ProviderError) -> Bool {
        let remover = try providers.remover(at: place)
        // Before and afterwards: a runner has its row before anything of it is there, and until nothing is.
        var known = roster.standing
        let found = try remover.existing()
        known.formUnion(roster.standing)
        var isClean = true
        for id in found where !known.contains(id) {
            var fields = place.fields
            fields["runner_id"] = .string(id)
            log.warning("stray_found", "\(id) is there but not in the store", fields)
            if !remove(id, by: { () throws(ProviderError) in remover }) { isClean = false }
        }
        return isClean
    }

    private func remove(_ record: RunnerRecord) -> Bool {
        remove(record.id) { () throws(ProviderError) in try providers.remover(of: record) }
    }

    private func remove(_ id: String, by remover: () throws(ProviderError) -> any RunnerRemover) -> Bool {
        log.info("removing", "removing runner \(id)", ["runner_id": .string(id)])
        do throws(ProviderError) {
            let remover = try remover()
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
            let remover = try providers.remover(of: record)
            if try remover.isAlive(record.id, at: record.place) {
                log.info("runner_kept", "runner \(record.id) lives on", ["runner_id": .string(record.id)])
                return true
            }
            roster.becameFailed(record.id, reason: remover.causeOfDeath(record.id))
        }
        return false
    }
}
