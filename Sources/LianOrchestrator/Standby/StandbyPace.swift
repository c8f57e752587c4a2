/// How soon another machine is booted for standby: ever later where none comes up, or none lives long.
struct StandbyPace: Equatable, Sendable {
    enum Failure: Sendable { case boot, death }

    /// In a row.
    private(set) var failures = 0
    /// Of the last failure.
    private(set) var reason: String?
    private var last = Failure.boot
    private var opens = 0

    private static let firstPause = 5_000
    private static let longestPause = 600_000

    /// How many may be booted now, of so many that are lacking while so many boot. Where the last one failed one is tried
    /// at a time.
    func batch(lacking: Int, booting: Int, at now: Int) -> Int {
        guard now >= opens else { return 0 }
        return failures == 0 ? lacking : min(lacking, booting == 0 ? 1 : 0)
    }

    /// True where all went well before.
    mutating func failed(by failure: Failure, _ reason: String, at now: Int) -> Bool {
        let pause = Self.firstPause << min(failures, 20)
        failures += 1
        last = failure
        self.reason = reason
        opens = now + min(pause, Self.longestPause)
        return failures == 1
    }

    /// One has come up. That tells nothing where they die afterwards. True where the last one had failed.
    mutating func cameUp() -> Bool { last == .boot && proved() }

    /// One has served a build, or has waited for long. True where the last one had failed.
    mutating func proved() -> Bool {
        guard failures > 0 else { return false }
        self = StandbyPace()
        return true
    }

    /// Nothing is wrong, and there is no room.
    mutating func wait(until moment: Int) { opens = max(opens, moment) }
}
