import LianSystem
import Synchronization

/// The body's value, or nil where it takes longer. It is cancelled then, and not waited for: a read from a disk that
/// hangs cannot be ended from here.
func within<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async -> Value
) async -> Value? {
    guard limit > .zero else { return nil }
    let race = Race<Value>()
    let work = Task { race.finish(with: await body()) }
    let timer = Task {
        try? await Task.sleep(for: limit)
        race.finish(with: nil)
    }
    defer {
        work.cancel()
        timer.cancel()
    }
    return await withCheckedContinuation { race.wait($0) }
}

/// Whoever comes first decides.
private final class Race<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value?, Never>)
        case decided(Value?)
    }

    private let state = Mutex<State>(.open)

    func wait(_ continuation: CheckedContinuation<Value?, Never>) {
        let early: Value?? = state.withLock { state in
            if case .decided(let value) = state { return .some(value) }
            state = .awaited(continuation)
            return .none
        }
        if let early { continuation.resume(returning: early) }
    }

    func finish(with value: Value?) {
        let waiting: CheckedContinuation<Value?, Never>? = state.withLock { state in
            defer { if case .decided = state {} else { state = .decided(value) } }
            guard case .awaited(let continuation) = state else { return nil }
            return continuation
        }
        waiting?.resume(returning: value)
    }
}
