import LianModel
import LianSystem
import Synchronization

/// How many runners there may be at once.
package struct Places: Equatable, Sendable {
    package var all: Int
    /// By the names of the providers that may have fewer by themselves.
    package var ofProviders: [String: Int]
    /// How many of them wait for builds, by the names of the providers that have such.
    package var standby: [String: StandbyConfig]

    package init(all: Int, ofProviders: [String: Int] = [:], standby: [String: StandbyConfig] = [:]) {
        self.all = all
        self.ofProviders = ofProviders
        self.standby = standby
    }
}

/// The runners of which something may be left, held in memory. A change takes effect as soon as it is known, and the
/// store is told at once. If the store cannot be written, for example on a full disk, the change takes effect all the
/// same and is written as soon as possible.
package final class Roster: Sendable {
    private struct Books {
        var runners: [String: RunnerRecord]
        /// The runners whose latest change is not in the store.
        var unrecorded: Set<String> = []
        /// Whether the last try to write the store failed.
        var isBehind = false
    }

    private let store: Store
    private let log: EventLog
    private let books: Mutex<Books>
    /// Admits one runner at a time, so that two do not take the same last place.
    private let admission = Mutex(())
    /// Allows one write at a time. Each writes the newest state of its runner, so a late write never undoes a newer
    /// one.
    private let recording = Mutex(())

    package init(_ store: Store, log: EventLog) throws(StoreError) {
        self.store = store
        self.log = log
        let unfinished = try store.unfinished()
        books = Mutex(Books(runners: Dictionary(unfinished.map { ($0.id, $0) }) { $1 }))
    }

    /// The runners that may have left something on the machine, and those whose lease has not ended.
    package var unfinished: [RunnerRecord] {
        books.withLock { $0.runners.values.sorted { $0.id < $1.id } }
    }

    /// The ids of those that may still have something of a machine.
    var standing: Set<String> { Set(unfinished.filter { !$0.isTornDown }.map(\.id)) }

    package func unfinished(_ id: String) -> RunnerRecord? {
        books.withLock { $0.runners[id] }
    }

    /// The runner as it is, or as it was when the last of it was removed.
    package func runner(_ id: String) throws(StoreError) -> RunnerRecord? {
        if let record = unfinished(id) { return record }
        return try store.runner(id)
    }

    package func knows(key: String) throws(StoreError) -> Bool { try store.knows(key: key) }

    /// Takes the runner in, or says why not. A runner is made only after the store has recorded it. One that was on standby
    /// goes on as this one.
    package func admit(
        _ record: RunnerRecord, key: String, request: String, within places: Places, quota: Int?
    ) throws(StoreError) -> Store.Admission {
        try admission.withLock { (_) throws(StoreError) -> Store.Admission in
            let (standing, isThere) = books.withLock { books in
                (books.runners.values.filter { $0.takesAPlace && $0.id != record.id }, books.runners[record.id] != nil)
            }
            let ofToken = standing.count { $0.token == record.token }
            let ofProvider = standing.count { $0.provider == record.provider }
            var obstacle: Store.Obstacle?
            if ofToken >= quota ?? .max {
                obstacle = .quota
            } else if standing.count >= places.all {
                obstacle = .capacity
            } else if let limit = places.ofProviders[record.provider], ofProvider >= limit {
                obstacle = .provider(record.provider, limit: limit)
            }
            let admission = try store.admit(
                record, key: key, request: request, obstacle: obstacle, takingOver: isThere)
            switch admission {
            case .admitted:
                books.withLock { books in
                    books.runners[record.id] = record
                    if isThere { books.unrecorded.insert(record.id) }
                }
                // Whoever was writing down what it was before has perhaps done so just now.
                if isThere { self.record(record.id) }
            case .known(let known, let isSame): return .known(unfinished(known.id) ?? known, sameRequest: isSame)
            case .refused: break
            }
            return admission
        }
    }

    /// Writes the changes that could not be written when they happened. False where that still fails.
    @discardableResult
    package func catchUp() -> Bool {
        let late = books.withLock { $0.unrecorded.sorted() }
        return late.allSatisfy(record)
    }

    /// Forgets the runners that have been gone for so long, together with their keys, and old reports.
    package func forget(goneFor age: Int, at now: Moment) throws(StoreError) {
        try store.forgetRunners(goneFor: age, at: now)
        try store.forgetReports(at: now.wallClock)
    }

    /// Changes the runner and returns it; nil where there is no such runner, or the body declines to change it.
    @discardableResult
    private func change(_ id: String, _ body: (inout RunnerRecord) -> Bool) -> RunnerRecord? {
        let changed = books.withLock { books -> RunnerRecord? in
            guard var record = books.runners[id], body(&record) else { return nil }
            books.runners[id] = record
            books.unrecorded.insert(id)
            return record
        }
        if changed != nil { record(id) }
        return changed
    }

    @discardableResult
    private func record(_ id: String) -> Bool {
        recording.withLock { _ in
            let late = books.withLock { $0.unrecorded.contains(id) ? $0.runners[id] : nil }
            guard let record = late else { return true }
            do {
                try store.save(record)
            } catch {
                if isNews(isBehind: true) {
                    let problem = "the store cannot be written: \(error)"
                    log.error("store_behind", "\(problem); until it can be, what becomes of runners is kept in memory")
                }
                return false
            }
            books.withLock { books in
                // If the runner has changed again meanwhile, whoever changed it writes it next.
                guard books.runners[id] == record else { return }
                books.unrecorded.remove(id)
                if record.isFinished { books.runners[id] = nil }
            }
            if isNews(isBehind: false) { log.info("store_caught_up", "the store can be written again") }
            return true
        }
    }

    private func isNews(isBehind: Bool) -> Bool {
        books.withLock { books in
            defer { books.isBehind = isBehind }
            return books.isBehind != isBehind
        }
    }
}

// MARK: - What becomes of a runner

extension Roster {
    /// False where the runner is no longer pending, because someone has destroyed it meanwhile.
    package func becameReady(_ id: String, at place: RunnerPlace) -> Bool {
        change(id) { record in
            guard record.state == .pending else { return false }
            record.state = .ready
            record.place = place
            return true
        } != nil
    }

    /// The runner as it is then; nil where it was gone, and stays gone.
    @discardableResult
    package func becameFailed(_ id: String, reason: String) -> RunnerRecord? {
        change(id) { record in
            guard record.state != .gone else { return false }
            record.state = .failed
            record.reason = reason
            record.place = nil
            return true
        }
    }

    /// The first reason is kept. nil where the runner was gone before or the condition does not hold. The check and the
    /// change are one step, so no heartbeat comes in between.
    @discardableResult
    package func becameGone(
        _ id: String, reason: String, at moment: Moment, where condition: (RunnerRecord) -> Bool = { _ in true }
    ) -> RunnerRecord? {
        change(id) { record in
            guard record.state != .gone, condition(record) else { return false }
            record.state = .gone
            record.reason = reason
            record.place = nil
            record.goneAt = moment
            return true
        }
    }

    /// One that waits for a build and fits, the one that has waited longest, held until it is taken over or given back.
    func reserve(where fits: (RunnerRecord) -> Bool) -> RunnerRecord? {
        books.withLock { books in
            let found = books.runners.values.filter { record in
                record.isOnStandby && record.state == .ready && !record.isReserved && fits(record)
            }.min { ($0.ends, $0.id) < ($1.ends, $1.id) }
            if let found { books.runners[found.id]?.isReserved = true }
            return found
        }
    }

    func giveBack(_ id: String) {
        books.withLock { $0.runners[id]?.isReserved = false }
    }

    /// Only files of the runner are left, and they are being deleted.
    package func isBeingDeleted(_ id: String) {
        books.withLock { $0.runners[id]?.isBeingDeleted = true }
    }

    package func becameTornDown(_ id: String) {
        change(id) { record in
            record.isTornDown = true
            return true
        }
    }

    /// nil where the runner is neither pending nor ready, or its time was already up.
    package func renewLease(_ id: String, at now: Int) -> RunnerRecord? {
        change(id) { record in
            guard record.state == .pending || record.state == .ready, record.ends > now else { return false }
            record.leaseEnds = now + record.leaseSeconds * 1000
            return true
        }
    }
}
