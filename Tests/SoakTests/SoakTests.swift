import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Many builds at once against the real orchestrator, each with a fault of its own at a moment of its own; all of it
/// follows from the seed. `scripts/soak SEED COUNT` runs more of them than a normal run does.
@Suite(
    .serialized,
    .needsDockerEngine,
    .needsNATSServer)
struct SoakTests {
    private let seed: UInt64
    private let count: Int
    /// Without the faults that take long by their nature.
    private var isShort: Bool { count < 50 }
    private static let width = 8

    init() {
        let environment = ProcessInfo.processInfo.environment
        seed = environment["LIAN_SOAK_SEED"].flatMap { UInt64($0) } ?? 1
        count = environment["LIAN_SOAK_COUNT"].flatMap { Int($0) } ?? 12
    }

    @Test(.timeLimit(.minutes(60))) func manyBuildsWithFaults() async throws {
        let start = ContinuousClock.now
        try await withShortTemporaryFolder { folder in
            try await withBuildStage { stage in
                let ground = try SoakGround(stage)
                defer { ground.front.stop() }
                let outcomes = try await runAll(on: ground, in: folder)
                for outcome in outcomes {
                    let lies = try await lies(of: outcome, on: ground)
                    #expect(lies == [], "\(outcome.line)\n\(outcome.finished?.story ?? "")")
                }
                let envelopes = outcomes.compactMap { $0.finished?.envelope }
                let diagnostic = try await diagnostic(of: envelopes, in: folder)
                #expect(diagnostic == nil)
                let remains = try await remains(of: outcomes, on: ground, in: folder)
                #expect(remains == [])
                summarize(outcomes, remains: remains, took: ContinuousClock.now - start)
            }
        }
    }

    private func runAll(on ground: SoakGround, in folder: URL) async throws -> [SoakBuild.Outcome] {
        try await withThrowingTaskGroup(of: SoakBuild.Outcome.self) { group in
            var outcomes: [SoakBuild.Outcome] = []
            func take(_ outcome: SoakBuild.Outcome) {
                tell(outcome.line)
                outcomes.append(outcome)
            }
            for number in 1...count {
                if number > Self.width, let outcome = try await group.next() { take(outcome) }
                let own = folder.appending(path: "\(number)")
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                let build = SoakBuild(
                    number: number, plan: SoakPlan(seed: seed, number: number, isShort: isShort),
                    scene: try BuildScene(ground.stage, folder: own), ground: ground)
                group.addTask { try await build.run() }
            }
            for try await outcome in group { take(outcome) }
            return outcomes.sorted { $0.build.number < $1.build.number }
        }
    }

    // MARK: Nothing lies

    /// Everything that a build told and that was not so.
    private func lies(of outcome: SoakBuild.Outcome, on ground: SoakGround) async throws -> [String] {
        guard let finished = outcome.finished else { return [] }
        let scene = outcome.build.scene
        let plan = outcome.build.plan
        var lies: [String] = []
        func demand(_ holds: Bool, _ what: String) { if !holds { lies.append(what) } }

        var endings = plan.fault.endings(at: plan.moment.stage)
        let life = outcome.started...outcome.ended
        // An orchestrator that was killed knows no more of runners that it was just making.
        if ground.wasOrchestratorUpset(during: life) { endings.insert(3) }
        demand(endings.contains(finished.status), "exit \(finished.status), not one of \(endings.sorted())")

        let digest = try await scene.pushedDigest()
        switch finished["status"].stringValue {
        case "succeeded":
            demand(finished.status == 0 && finished["error"] == .null, "succeeded, but not only so")
            demand(digest != nil && finished.digest == digest, "its digest is \(digest ?? "not") in the registry")
            demand(finished.artifact["status"] == "succeeded", "the artifact has not succeeded")
        case "cancelled":
            demand(finished.errorCode == "cancelled" && finished.status > 128, "cancelled, but not only so")
        case "failed", "timed_out":
            let code = finished.errorCode.flatMap(ErrorCode.init)
            demand(
                code?.exitStatus == finished.status, "\(finished.errorCode ?? "no code") is not exit \(finished.status)"
            )
            demand((finished["status"] == "timed_out") == (code == .timeBudgetExceeded), "timed_out or not")
        default: lies.append("no status")
        }
        if finished.status != 0 {
            demand(finished.digest == nil, "a digest of what failed")
            demand(
                !finished.message.isEmpty && !finished.hint.isEmpty && finished.phase != nil, "an error without words")
        }
        demand(
            finished.isRunnerDestroyed != false || finished.warningCodes.contains("runner_not_destroyed"),
            "a runner is left without a warning")
        demand(finished.attempts.count <= 2, "\(finished.attempts.count) attempts")
        demand(
            !finished.output.contains(outcome.build.secret) && !finished.errorText.contains(outcome.build.secret),
            "it prints its secret")
        try await lies += liesOfEvents(finished, outcome, on: ground)
        return lies
    }

    private func liesOfEvents(
        _ finished: FinishedBuild, _ outcome: SoakBuild.Outcome, on ground: SoakGround
    ) async throws -> [String] {
        let events = try await outcome.build.scene.events()
        var lies: [String] = []
        let names = events.compactMap { $0.subject.split(separator: ".").last }
        let last = finished.status == 0 ? "completed" : "failed"
        if names.contains(where: { $0 != "started" && $0 != last }) { lies.append("events \(names)") }
        if names.count(where: { $0 == last }) > 1 { lies.append("it ended more than once: \(names)") }
        let isUndisturbed = !ground.wasNATSUpset(during: outcome.started...outcome.ended)
        if isUndisturbed, let published = finished["events"]["published"]?.intValue, published != events.count {
            lies.append("\(published) events published, but \(events.count) came")
        }
        if events.contains(where: { String(decoding: $0.body, as: UTF8.self).contains(outcome.build.secret) }) {
            lies.append("an event holds its secret")
        }
        return lies
    }

    // MARK: Nothing stays

    /// What is left once every lease has run out.
    private func remains(
        of outcomes: [SoakBuild.Outcome], on ground: SoakGround, in folder: URL
    ) async throws -> [String] {
        let orchestrator = ground.stage.orchestrator
        // A lease, and what a teardown may take on a busy machine.
        _ = try await eventually(within: .seconds(150)) { try await orchestrator.runners().isEmpty }
        var found: [String] = []
        _ = try await eventually {
            found = try orchestrator.remains()
            return found.isEmpty
        }
        found += try await orchestrator.runners().map { "runner \($0)" }
        let groups = try await runTool("/usr/bin/find", ["/sys/fs/cgroup", "-type", "d", "-name", "r-??????????"])
        for runner in ground.front.runners where groups.contains("/\(runner.id)\n") {
            found.append("group \(runner.id)")
        }
        // What a killed build had in its hands nobody clears away.
        for outcome in outcomes where outcome.finished != nil { found += try outcome.build.scene.callersRemains() }
        found += processes(holding: folder.path).map { "process \($0) \(commandLine(of: $0))" }
        return found
    }

    private func summarize(_ outcomes: [SoakBuild.Outcome], remains: [String], took: Duration) {
        let endings = outcomes.map { $0.finished.map { "exit \($0.status)" } ?? "killed" }
        let counts = Dictionary(grouping: endings) { $0 }.mapValues(\.count).sorted { $0.key < $1.key }
        tell(
            "soak: seed \(seed), \(count) builds, \(Self.width) at a time, \(took.components.seconds) s; "
                + counts.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
                + "; left behind: \(remains.isEmpty ? "nothing" : "\(remains.count) things")")
    }

    /// At once, so that one sees where it is.
    private func tell(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}
