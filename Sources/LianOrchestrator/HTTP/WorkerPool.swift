import Glibc
import LianSystem
import Synchronization

/// A bounded number of threads that do one job after the other. A new thread is started when a job comes while all
/// others are busy, and it stays from then on.
///
/// `@unchecked Sendable`: the semaphore lives at an address of its own, which C requires, and may be used by any thread.
package final class WorkerPool: @unchecked Sendable {
    package typealias Job = @Sendable () -> Void

    private struct State {
        var jobs: [Job] = []
        var threads = 0
        /// The number of threads without a job.
        var idle = 0
    }

    private let limit: Int
    private let state = Mutex(State())
    private let jobsThere: UnsafeMutablePointer<sem_t>

    package init(limit: Int) {
        self.limit = limit
        jobsThere = .allocate(capacity: 1)
        sem_init(jobsThere, 0, 0)
    }

    /// Never called while threads are working, because they hold a reference to the pool.
    deinit {
        sem_destroy(jobsThere)
        jobsThere.deallocate()
    }

    /// Does the job as soon as a thread is free.
    package func add(_ job: @escaping Job) {
        _ = add(job, where: { _ in true })
    }

    /// Starts the job now, or returns false where every thread is busy.
    package func addIfFree(_ job: @escaping Job) -> Bool {
        add(job) { $0.idle > $0.jobs.count || $0.threads < limit }
    }

    private func add(_ job: @escaping Job, where isWanted: (State) -> Bool) -> Bool {
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
                    if sem_wait(jobsThere) == 0 { doOne() }
                }
            }
        } catch {
            let isAlone = state.withLock { state in
                state.threads -= 1
                state.idle -= 1
                return state.threads == 0
            }
            // No thread can be started at all: doing it here, late, is better than never.
            if isAlone { doOne() }
        }
    }

    private func doOne() {
        let job: Job? = state.withLock { state in
            guard !state.jobs.isEmpty else { return nil }
            state.idle -= 1
            return state.jobs.removeFirst()
        }
        guard let job else { return }
        job()
        state.withLock { $0.idle += 1 }
    }
}
