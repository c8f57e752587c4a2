import Glibc
import LianSystem
import Synchronization

/// A bounded number of threads that do one job after the other. A new thread is started when a job comes while all
/// others are busy, and it stays from then on. Nobody has all of them, however much he asks for: a part is left for
/// others, and who has the fewest at work is next.
///
/// `@unchecked Sendable`: the semaphore lives at an address of its own, which C requires, and may be used by any thread.
package final class WorkerPool: @unchecked Sendable {
    package typealias Work = @Sendable () -> Void

    private struct Job {
        let owner: String
        let work: Work
    }

    private struct State {
        var jobs: [Job] = []
        var threads = 0
        /// The number of threads without a job.
        var idle = 0
        /// How many jobs of each owner are being done.
        var atWork: [String: Int] = [:]

        func places(of owner: String) -> Int { atWork[owner, default: 0] + jobs.count { $0.owner == owner } }

        mutating func next(share: Int) -> Job? {
            let allowed = jobs.indices.filter { atWork[jobs[$0].owner, default: 0] < share }
            guard
                let index = allowed.min(by: { atWork[jobs[$0].owner, default: 0] < atWork[jobs[$1].owner, default: 0] })
            else { return nil }
            idle -= 1
            atWork[jobs[index].owner, default: 0] += 1
            return jobs.remove(at: index)
        }

        mutating func isDone(for owner: String) {
            idle += 1
            atWork[owner, default: 0] -= 1
            if atWork[owner] == 0 { atWork[owner] = nil }
        }
    }

    private let limit: Int
    /// How many threads may be at work for one owner.
    private let share: Int
    private let state = Mutex(State())
    private let jobsThere: UnsafeMutablePointer<sem_t>

    package init(limit: Int) {
        self.limit = limit
        share = max(1, limit - max(1, limit / 4))
        jobsThere = .allocate(capacity: 1)
        sem_init(jobsThere, 0, 0)
    }

    /// Never called while threads are working, because they hold a reference to the pool.
    deinit {
        sem_destroy(jobsThere)
        jobsThere.deallocate()
    }

    /// Does the job as soon as a thread is free for the owner.
    package func add(for owner: String, _ work: @escaping Work) {
        _ = add(Job(owner: owner, work: work), where: { _ in true })
    }

    /// Starts the job now, or returns false where every thread is busy, or the owner's share of them.
    package func addIfFree(for owner: String, _ work: @escaping Work) -> Bool {
        add(Job(owner: owner, work: work)) { state in
            (state.idle > state.jobs.count || state.threads < limit) && state.places(of: owner) < share
        }
    }

    private func add(_ job: Job, where isWanted: (State) -> Bool) -> Bool {
        let (isAdded, needsThread) = state.withLock { state in
            guard isWanted(state) else { return (false, false) }
            state.jobs.append(job)
            guard state.idle < state.jobs.count, state.threads < limit else { return (true, false) }
            state.threads += 1
            state.idle += 1
            return (true, true)
        }
        guard isAdded else { return false }
        if needsThread { startWorker() }
        sem_post(jobsThere)
        return true
    }

    private func startWorker() {
        do {
            try startThread { [self] in
                while true {
                    if sem_wait(jobsThere) == 0 { work() }
                }
            }
        } catch {
            let isAlone = state.withLock { state in
                state.threads -= 1
                state.idle -= 1
                return state.threads == 0
            }
            // No thread can be started at all: doing it here, late, is better than never.
            if isAlone { work() }
        }
    }

    /// Does the jobs that may be done: one whose owner had his share at work when it came has woken nobody else.
    private func work() {
        while let job = state.withLock({ $0.next(share: share) }) {
            job.work()
            state.withLock { $0.isDone(for: job.owner) }
        }
    }
}
