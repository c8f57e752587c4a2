import LianModel
import LianRemote
import LianSystem

/// A step has failed, and was told of.
struct TrialStopped: Error {}

/// Tells of each step of a trial how it ended and how long it took.
struct TrialSteps: Sendable {
    private static let width = 10

    /// The body says in words what it has found.
    func step(_ name: String, _ body: () async throws -> String) async throws(TrialStopped) {
        let start = ContinuousClock.now
        do {
            let found = try await body()
            tell(name, Figures.duration((ContinuousClock.now - start).milliseconds), found)
        } catch {
            tell(name, "failed", "after \(Figures.duration((ContinuousClock.now - start).milliseconds))")
            fail(error)
            throw TrialStopped()
        }
    }

    /// What went wrong, and what to do about it where somebody knows.
    func fail(_ error: any Error) {
        switch error {
        case is CancellationError: tell("", "", "ended by a signal")
        case let failure as RemoteFailure: fail(failure.lianError(.connect))
        case let error as LianError:
            tell("", "", error.message)
            for line in error.logTail { tell("", "", "| \(onOneLine(line))") }
            advise(error.hint)
        default: tell("", "", "\(error)")
        }
    }

    func advise(_ advice: String) { tell("", "", "what to do: \(advice)") }

    private func tell(_ name: String, _ time: String, _ words: String) {
        func padded(_ text: String) -> String {
            text + String(repeating: " ", count: max(1, Self.width - text.count))
        }
        // Nobody may be reading any more, which is no reason to leave a runner behind.
        try? StandardOutput().line("\(padded(name))\(padded(time))\(onOneLine(words, limit: 2000))")
    }
}
