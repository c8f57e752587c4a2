import LianModel
import LianNATS
import LianOrchestratorClient
import LianSystem

/// The lanes of a build: one, or one for each platform that is built on runners of its own, of whose images one index is
/// made then.
final class SideBySide: Sendable {
    private let plan: AttemptPlan
    private let lanes: [Lane]
    private let events: BuildEvents
    private let wasEnded: @Sendable () -> Bool
    /// nil where there is one lane, which tells of itself.
    private let board: LaneBoard?
    /// Of the one lane; those of several are torn down as they come.
    private let onlyEnd = Guarded<Lane.End?>(nil)
    private let teardowns = Guarded<[Task<Void, Never>]>([])

    init(
        _ plan: AttemptPlan, _ split: PlatformSplit, events: BuildEvents, isQuestion: Bool, asksForNextSize: Bool,
        wasEnded: @escaping @Sendable () -> Bool
    ) {
        self.plan = plan
        self.events = events
        self.wasEnded = wasEnded
        let role = Lane.Role(recordsMetrics: !isQuestion, asksForNextSize: asksForNextSize, wasEnded: wasEnded)
        guard split.parts.count > 1 else {
            var plan = plan
            plan.platform = split.parts.first?.platform
            lanes = [Lane(plan, role, events: events)]
            board = nil
            return
        }
        let board = LaneBoard(plan.journal, platforms: split.parts.compactMap(\.platform))
        self.board = board
        lanes = split.parts.enumerated().map { index, part in
            var role = role
            role.platform = part.platform
            role.asksForNextSize = asksForNextSize && index == 0
            return Lane(plan.narrowed(to: part, isFirst: index == 0, board), role, events: events)
        }
    }

    /// Builds, and returns the number of the last attempt. What runners are still there go by `end`.
    func build() async -> Int {
        guard let board else {
            let end = await lanes[0].run()
            onlyEnd.set(end)
            return end.attempt.number
        }
        let (failed, attempt) = await runAll()
        var error = failed?.error
        if error == nil, wasEnded() { error = .cancelled(in: .build) }
        if error == nil { error = await pushIndexes() }
        board.end(failed?.outcome ?? (error == nil ? .succeeded : wasEnded() ? .cancelled : .failed), attempt: attempt)
        plan.journal.write { entries in
            join(&entries)
            if let error { entries.envelope.fail(error) } else { entries.envelope.status = .succeeded }
        }
        return attempt
    }

    /// Until all lanes have ended. A runner whose lane is done goes at once; where one lane fails, the others end too: an
    /// image that lacks a platform is not the one that was asked for.
    private func runAll() async -> (failed: (error: LianError, outcome: AttemptOutcome)?, attempt: Int) {
        await withTaskGroup(of: (Lane, Lane.End).self) { group in
            for lane in lanes { group.addTask { (lane, await lane.run()) } }
            var failed: (LianError, AttemptOutcome)?
            var attempt = 1
            for await (lane, end) in group {
                let teardown = Task { await lane.tearDown(end) }
                teardowns.update { $0.append(teardown) }
                attempt = max(attempt, end.attempt.number)
                guard failed == nil, let error = lane.error else { continue }
                failed = (error, end.outcome.attemptOutcome)
                group.cancelAll()
            }
            return (failed, attempt)
        }
    }

    /// Waits for the end of every runner, and beside it for the events' last flush.
    func end() async {
        guard board != nil else {
            if let end = onlyEnd.value { await lanes[0].tearDown(end, finishing: events) }
            return
        }
        let destroying = Task { [teardowns] in for teardown in teardowns.value { await teardown.value } }
        let report = await events.finish(beside: destroying)
        await destroying.value
        for warning in report?.warnings ?? [] { plan.journal.warn(warning) }
        if let report { plan.journal.write { $0.envelope.take(report) } }
    }

    /// One short try of destroying each runner.
    func abandon(within budget: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            for lane in lanes { group.addTask { await lane.abandon(within: budget) } }
        }
    }

    /// Adds what the lanes know so far; where there is one, it has written it there itself.
    func join(_ entries: inout BuildJournal.Entries) {
        guard board != nil else { return }
        let told = lanes.map { (platform: $0.role.platform, entries: $0.plan.journal.write { $0 }) }
        entries.envelope.join(told.map { ($0.platform, $0.entries.envelope) })
        entries.findings.nextSize = told[0].entries.findings.nextSize
        for artifact in plan.resolution.request.artifacts where entries.metadata[artifact.name] == nil {
            let found = told.compactMap { $0.entries.metadata[artifact.name] }
            if found.count == 1, lanesWith(artifact.name).count == 1 { entries.metadata[artifact.name] = found[0] }
        }
    }

    private func lanesWith(_ artifact: String) -> [Lane] {
        lanes.filter { $0.plan.resolution.request.artifacts.contains { $0.name == artifact } }
    }

    /// Of each image whose parts came from several runners. Every one is tried; the first error is the build's.
    private func pushIndexes() async -> LianError? {
        var first: LianError?
        for artifact in plan.resolution.request.artifacts {
            let lanes = lanesWith(artifact.name)
            guard lanes.count > 1, artifact.outputs.pushes, let image = artifact.image else { continue }
            do throws(LianError) {
                let parts = try lanes.map { lane throws(LianError) in try lane.part(of: artifact.name) }
                let push = await IndexPush(
                    artifact: artifact, image: image, parts: parts, registry: plan.resolution.request.registry,
                    logins: plan.secrets.registryLogins, http: plan.http, journal: plan.journal,
                    timing: plan.surroundings.timing)
                let index = try await push.run()
                plan.journal.write { entries in
                    entries.envelope.takeIndex(index.digest, of: artifact.name)
                    entries.metadata[artifact.name] = index.metadata
                }
            } catch {
                plan.journal.write { $0.envelope.takeIndex(nil, of: artifact.name) }
                first = first ?? error
            }
        }
        return first
    }
}

extension Lane {
    /// Why it failed, with its platform.
    fileprivate var error: LianError? {
        guard let error = plan.journal.envelope.error else { return nil }
        guard let platform = role.platform, error.code != .cancelled else { return error }
        return error.saying("\(platform): \(error.message)")
    }

    /// What it pushed of the artifact.
    fileprivate func part(of name: String) throws(LianError) -> IndexPush.Part {
        let request = plan.resolution.request.artifacts.first { $0.name == name }
        let platform = request?.platforms.first ?? ""
        guard let digest = plan.journal.envelope.artifacts?.first(where: { $0.name == name })?.digest else {
            throw LianError(
                .pushFailed, .push,
                "\(name) was built for each platform, but the runner for \(platform) does not say what it pushed",
                hint: "Its engine wrote no containerimage.digest; docs/engines.md says what each engine can.")
        }
        return IndexPush.Part(platform: platform, digest: digest)
    }
}

extension AttemptPlan {
    /// For one of several runners. The first has the build's own name, its volume and its caches; each other has a name
    /// beside it and starts cold but for caches of its own.
    fileprivate func narrowed(to part: PlatformSplit.Part, isFirst: Bool, _ board: LaneBoard) -> AttemptPlan {
        var plan = self
        let platform = part.platform ?? ""
        plan.platform = part.platform
        plan.resolution.request.artifacts = part.artifacts
        plan.journal = BuildJournal(board.reporter(of: platform))
        let known = journal.envelope
        plan.journal.write { entries in
            entries.envelope.take(plan.resolution.request)
            entries.envelope.take(plan.resolution)
            entries.envelope.buildID = known.buildID
            entries.envelope.volume = isFirst ? known.volume : nil
        }
        if !isFirst {
            plan.volume = nil
            plan.buildID += "-\(platform.replacing("/", with: "-"))"
        }
        return plan
    }
}
