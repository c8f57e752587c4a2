import LianSystem

/// Whether the sshds of machines still greet, which is asked in the background: nobody waits for a machine that is gone.
final class Greetings: Sendable {
    private struct Hearing {
        var isUnderWay = false
        var asked: ContinuousClock.Instant?
        /// In a row.
        var misses = 0
        /// When the first of these was asked for.
        var silentSince: ContinuousClock.Instant?
    }

    private let hearings = Monitor<[String: Hearing]>([:])
    private let pause: Duration
    private let limit: Duration
    private let silence: Duration

    /// One that is missed may be lost on the way, or a machine that is busy.
    private static let missesOfTheDead = 3

    /// `limit` is how long one question may take, `pause` how long it is to the next one, and `silence` how long whoever
    /// counts as dead was silent at least.
    init(pause: Duration = .seconds(2), limit: Duration = .seconds(4), silence: Duration = .zero) {
        self.pause = pause
        self.limit = limit
        self.silence = silence
    }

    /// False where the runner's sshd was silent several times in a row.
    func areHeard(of runnerID: String, at host: String, _ port: Int) -> Bool {
        let (isDue, isHeard) = hearings.update { hearings in
            var hearing = hearings[runnerID] ?? Hearing()
            let isDue = !hearing.isUnderWay && hearing.asked.map { ContinuousClock.now - $0 > pause } ?? true
            if isDue { hearing.isUnderWay = true }
            hearings[runnerID] = hearing
            let silence = hearing.silentSince.map { ContinuousClock.now - $0 } ?? .zero
            return (isDue, hearing.misses < Self.missesOfTheDead || silence < self.silence)
        }
        if isDue {
            do {
                try startThread { self.listen(to: runnerID, at: host, port) }
            } catch {
                hearings.update { $0[runnerID]?.isUnderWay = false }
            }
        }
        return isHeard
    }

    func forget(_ runnerID: String) {
        hearings.update { $0[runnerID] = nil }
    }

    private func listen(to runnerID: String, at host: String, _ port: Int) {
        let begun = ContinuousClock.now
        let isHeard = answersAsSSH(host: host, port: port, within: limit)
        hearings.update { hearings in
            guard let hearing = hearings[runnerID] else { return }
            hearings[runnerID] =
                isHeard
                ? Hearing(asked: .now)
                : Hearing(asked: .now, misses: hearing.misses + 1, silentSince: hearing.silentSince ?? begun)
        }
    }
}
