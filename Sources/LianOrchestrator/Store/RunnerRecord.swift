import LianModel

/// Where a runner can be reached, once it is ready.
package struct RunnerPlace: Equatable, Sendable {
    package var host: String
    package var port: Int
    package var user: String
    package var hostKeys: [String]
    package var workDir: String
    package var buildkitAddress: String?
    /// Of those that its provider has; nil where it has none.
    package var region: String?
    /// nil where it was not asked for one, or there are none.
    package var volume: RunnerVolume?

    package init(
        host: String, port: Int, user: String, hostKeys: [String], workDir: String, buildkitAddress: String?,
        region: String? = nil
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.hostKeys = hostKeys
        self.workDir = workDir
        self.buildkitAddress = buildkitAddress
        self.region = region
    }
}

/// A runner as the store knows it.
package struct RunnerRecord: Equatable, Sendable {
    package var id: String
    package var workspace: String
    /// The name of the token by which it was spawned; nil where an earlier version has spawned it.
    package var token: String?
    package var provider: String
    package var size: WireSize
    package var leaseSeconds: Int
    package var state: RunnerState
    package var reason: String?
    package var place: RunnerPlace?
    /// The boot in which the runner was made; none of its processes outlives that boot.
    package var bootID: String
    /// Milliseconds since that boot.
    package var leaseEnds: Int
    package var lifeEnds: Int
    /// When the runner was destroyed.
    package var goneAt: Moment?
    /// Nothing of the runner is left on the machine.
    package var isTornDown: Bool
    /// The build that it was spawned for; nil where an earlier version has spawned it, as for the two that follow.
    package var buildID: String?
    package var attempt: Int?
    /// Milliseconds since that boot.
    package var begun: Int?
    /// Of the provider; nil where an earlier version has spawned it, on its own machine.
    package var providerKind: String?
    /// While it waits for a build; nil once it has one.
    package var standby: Standby?
    /// Somebody is about to take it over. This and what follows is kept in memory only: a restart finds it out anew.
    package var isReserved = false
    /// Only files of the runner are left, and they are being deleted.
    package var isBeingDeleted = false

    package var ends: Int { min(leaseEnds, lifeEnds) }

    /// Whether nothing can happen to the runner any more.
    var isFinished: Bool { state == .gone && isTornDown }

    var isOnStandby: Bool { standby != nil }

    /// Whether it is there, or will be.
    var isAlive: Bool { state == .pending || state == .ready }

    /// Whether the runner counts against the capacity.
    var takesAPlace: Bool { !isTornDown && !isBeingDeleted }

    /// Why the runner's time is up; nil while it is not.
    func reasonToEnd(at now: Int) -> String? {
        if lifeEnds <= now { return "its lifetime has run out" }
        if leaseEnds <= now { return "its lease has run out" }
        return nil
    }

    /// The runner as the API describes it.
    package func answer(at clock: BootClock) -> RunnerAnswer {
        var answer = RunnerAnswer(runnerID: id, state: state, workspace: workspace)
        answer.reason = reason
        answer.provider = provider
        answer.size = size
        if state == .ready, let place {
            answer.host = place.host
            answer.port = place.port
            answer.user = place.user
            answer.hostKeys = place.hostKeys
            answer.workDir = place.workDir
            answer.buildkitAddress = place.buildkitAddress
            answer.volume = place.volume
        }
        if isAlive {
            answer.expiresAt = UTCTime(milliseconds: clock.wallClock() + max(0, ends - clock.now())).rfc3339
        }
        return answer
    }
}
