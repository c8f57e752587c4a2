import LianModel
import LianSystem
import Synchronization

/// What the users of a connection and the thread that owns its session share: a mailbox, and the ways to wake the
/// thread.
final class SessionLink: Sendable {
    typealias Job = @Sendable (SessionLoop) -> Void

    private struct State {
        var jobs: [Job] = []
        var end: LianError?
    }

    private let state = Mutex(State())
    private let aborted = Atomic(false)
    /// Wakes the serving thread for new jobs.
    let waker: Waker
    /// Woken once and for all by `abort`.
    let aborter: Waker

    init() throws(SystemError) {
        waker = try Waker()
        aborter = try Waker()
    }

    /// Runs the job on the session's thread. Where the session has ended, the job is not run and the reason is
    /// returned.
    func post(_ job: @escaping Job) -> LianError? {
        let end = state.withLock { state in
            if state.end == nil { state.jobs.append(job) }
            return state.end
        }
        if end == nil { waker.wake() }
        return end
    }

    func takeJobs() -> [Job] {
        state.withLock { state in
            defer { state.jobs = [] }
            return state.jobs
        }
    }

    /// Takes no job from here on, and returns those that came before, so that they are answered too.
    func end(_ error: LianError) -> [Job] {
        state.withLock { state in
            state.end = error
            defer { state.jobs = [] }
            return state.jobs
        }
    }

    var isAborted: Bool { aborted.load(ordering: .acquiring) }

    func abort() {
        aborted.store(true, ordering: .releasing)
        aborter.wake()
        waker.wake()
    }

    /// An operation that the session's thread starts, and later completes. Cancelling it ends the wait at once.
    func perform<Value: Sendable>(
        _ start: @escaping @Sendable (SessionLoop, Completion<Value>) -> Void
    ) async throws -> Value {
        let cancellation = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let completion = Completion(continuation: continuation, cancellation: cancellation)
                let end = post { loop in
                    if completion.isCancelled { completion.fail(CancellationError()) } else { start(loop, completion) }
                }
                if let end { completion.fail(end) }
            }
        } onCancel: {
            // A cancel that comes before the start's job is seen by that job, a later one by the sweep.
            cancellation.raise()
            _ = post { $0.sweepCancelled() }
        }
    }

    /// The same for closing, which must come to its end in a cancelled task too. The session bounds it in time.
    func performShielded<Value: Sendable>(
        _ start: @escaping @Sendable (SessionLoop, Completion<Value>) -> Void
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let completion = Completion(continuation: continuation, cancellation: CancellationFlag())
            if let end = post({ start($0, completion) }) { completion.fail(end) }
        }
    }
}

final class CancellationFlag: Sendable {
    private let raised = Atomic(false)

    func raise() { raised.store(true, ordering: .releasing) }
    var isRaised: Bool { raised.load(ordering: .acquiring) }
}

/// The one answer that somebody waits for. The session's thread gives it, once.
struct Completion<Value: Sendable>: Sendable {
    fileprivate let continuation: CheckedContinuation<Value, any Error>
    fileprivate let cancellation: CancellationFlag

    var isCancelled: Bool { cancellation.isRaised }
    func succeed(_ value: Value) { continuation.resume(returning: value) }
    func fail(_ error: any Error) { continuation.resume(throwing: error) }
}
