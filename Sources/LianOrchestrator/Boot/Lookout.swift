import LianSystem

/// Looks at what makes machines. Many ask at once how it is, and one look answers them all.
final class Lookout<View: Sendable, Failure: Error>: Sendable {
    typealias Look = Result<View, Failure>

    private struct Looks {
        var isUnderWay = false
        var number = 0
        var last: Look?
        var ended: ContinuousClock.Instant?
    }

    /// How long a look may take.
    private let limit: Duration
    /// How old a look may become before the next one is taken.
    private let freshness: Duration
    /// What those are told who wait for a look that does not end.
    private let silence: Failure
    private let looks = Monitor(Looks())

    init(limit: Duration, freshness: Duration, silence: Failure) {
        self.limit = limit
        self.freshness = freshness
        self.silence = silence
    }

    /// Looks now, or waits for the look that is under way.
    func look(_ see: () throws(Failure) -> View) -> Look {
        let (isMine, number) = looks.update { looks in
            if looks.isUnderWay { return (false, looks.number) }
            looks.isUnderWay = true
            return (true, looks.number)
        }
        if isMine { return lookAndTell(see) }
        return looks.wait(atMost: limit + .seconds(2)) { $0.number > number ? $0.last : nil } ?? .failure(silence)
    }

    /// What was seen last, at once, and has somebody look again where that is a while ago; nil before the first look.
    func last(refreshedBy see: @escaping @Sendable () throws(Failure) -> View) -> Look? {
        let freshness = freshness
        let (last, isDue) = looks.update { looks in
            let isDue = !looks.isUnderWay && looks.ended.map { ContinuousClock.now - $0 > freshness } ?? true
            if isDue { looks.isUnderWay = true }
            return (looks.last, isDue)
        }
        guard isDue else { return last }
        do {
            try startThread { _ = self.lookAndTell(see) }
        } catch {
            looks.update { $0.isUnderWay = false }
        }
        return last
    }

    private func lookAndTell(_ see: () throws(Failure) -> View) -> Look {
        let look = Look { () throws(Failure) in try see() }
        looks.update { looks in
            looks.isUnderWay = false
            looks.number += 1
            looks.last = look
            looks.ended = .now
        }
        return look
    }
}
