import LianSystem

/// Whether the sshds of machines still greet, which is asked in the background: nobody waits for a machine that is gone.
final class Greetings: Sendable {
    private struct Hearing {
        var isUnderWay = false
        var asked: ContinuousClock.Instant?
        /// In a row.
        var misses = 0
    }

    private let hearings = Monitor<[String: Hearing]>([:])

    private static let pause: Duration = .seconds(2)
    private static let limit: Duration = .seconds(4)
    /// One that is missed may be lost on the way, or a machine that is busy.
    private static let missesOfTheDead = 3

    /// False where the runner's sshd was silent several times in a row.
    func areHeard(of runnerID: String, at host: String, _ port: Int) -> Bool {
        let (isDue, misses) = hearings.update { hearings in
            var hearing = hearings[runnerID] ?? Hearing()
            let isDue = !hearing.isUnderWay && hearing.asked.map { ContinuousClock.now - $0 > Self.pause } ?? true
            if isDue { hearing.isUnderWay = true }
            hearings[runnerID] = hearing
            return (isDue, hearing.misses)
        }
        if isDue {
            do {
                try startThread { self.listen(to: runnerID, at: host, port) }
            } catch {
                hearings.update { $0[runnerID]?.isUnderWay = false }
            }
        }
        return misses < Self.missesOfTheDead
    }

    func forget(_ runnerID: String) {
        hearings.update { $0[runnerID] = nil }
    }

    private func listen(to runnerID: String, at host: String, _ port: Int) {
        let isHeard = answersAsSSH(host: host, port: port, within: Self.limit)
        hearings.update { hearings in
            guard let hearing = hearings[runnerID] else { return }
            hearings[runnerID] = Hearing(asked: .now, misses: isHeard ? 0 : hearing.misses + 1)
        }
    }
}
