/// What the orchestrator counts about itself. Each part of it is handed these and counts where things happen; what there
/// is just now, as runners by their state, is looked up when somebody asks.
package final class Meters: Sendable {
    package let workspace = Label("workspace", limit: 200)
    package let provider = Label("provider")
    package let tier = Label("tier")
    package let state = Label("state")

    package let spawns: Tally
    package let spawnRefusals: Tally
    package let readySeconds: Histogram
    package let lifetimes: Histogram
    package let reaped: Tally
    package let destroysRepeated: Tally
    package let standbyEnds: Tally
    package let warmStarts: Tally
    package let coldStarts: Tally
    package let volumesKept: Tally
    package let volumesDiscarded: Tally
    package let attempts: Tally
    package let attemptSeconds: Histogram
    package let refusals: Tally
    package let store: CallMeter
    package let providerCalls: CallMeter

    package init() {
        let (cause, reason, outcome) = (Label("cause"), Label("reason"), Label("outcome"))
        func counter(_ name: String, _ help: String, _ labels: Label...) -> Tally {
            Tally(.counter, "lian_\(name)_total", help, labels)
        }
        spawns = counter("spawns", "Runners that were taken in.", workspace, provider)
        spawnRefusals = counter("spawn_refusals", "Runners that were asked for and refused.", workspace, cause)
        readySeconds = Histogram(
            "lian_runner_ready_seconds", "How long runners took from being asked for to being ready.",
            [workspace, provider], bounds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300])
        lifetimes = Histogram(
            "lian_runner_lifetime_seconds", "How long runners were there, until nothing was left of them.",
            [workspace, provider], bounds: [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400])
        reaped = counter(
            "runners_reaped", "Runners that nobody destroyed: the orchestrator ended them.", workspace, cause)
        destroysRepeated = counter(
            "runner_destroys_repeated", "Destroys of runners that failed and had to be repeated.", workspace, provider)
        standbyEnds = counter(
            "standby_ends", "Machines that are no longer on standby: used by a build, or removed without one.",
            provider, cause)
        warmStarts = counter("volume_warm_starts", "Runners that began with a kept volume.", workspace)
        coldStarts = counter(
            "volume_cold_starts", "Runners that asked for a volume and began with none or an empty one.", workspace,
            reason)
        volumesKept = counter("volumes_kept", "Volumes of runners that were kept.", workspace)
        volumesDiscarded = counter(
            "volumes_discarded", "Volumes of runners that were to be kept and were not.", workspace, reason)
        attempts = counter(
            "build_attempts", "Attempts of builds that were told of; oom is one that ran out of memory.", workspace,
            outcome)
        attemptSeconds = Histogram(
            "lian_build_attempt_seconds", "How long attempts of builds took.", [workspace],
            bounds: [5, 15, 30, 60, 120, 300, 600, 1200, 3600, 7200])
        refusals = counter(
            "http_refusals", "Requests that were refused for want of a token, a right, a thing or a place.",
            Label("code"))
        store = CallMeter("lian_store", "the store", [Label("call")])
        providerCalls = CallMeter("lian_provider", "providers", [provider, Label("call")])
    }

    /// All that is counted.
    package var families: [MetricFamily] {
        let meters: [any Meter] = [
            spawns, spawnRefusals, readySeconds, lifetimes, reaped, destroysRepeated, standbyEnds,
            warmStarts, coldStarts,
            volumesKept, volumesDiscarded, attempts, attemptSeconds, refusals, store.seconds, store.errors,
            providerCalls.seconds, providerCalls.errors,
        ]
        return meters.map(\.family)
    }
}
