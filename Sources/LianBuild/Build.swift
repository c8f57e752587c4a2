import Glibc
import LianHTTP
import LianModel
import LianOrchestratorClient
import LianSSH
import LianSystem
import Synchronization

/// One build, from what was asked to the envelope: resolve, then one attempt or two, each with a runner that is always
/// destroyed.
package final class Build: Sendable {
    private let options: BuildOptions
    private let surroundings: Surroundings
    private let start: ContinuousClock.Instant
    private let journal: BuildJournal
    private let control = Mutex(Control())
    private let result = FirstResult<ResultEnvelope>()

    private struct Control {
        var signal: EndSignal?
        var walk: Task<Void, Never>?
        var lanes: SideBySide?
        var isAbandoned = false
    }

    /// What a second signal leaves for destroying the runner.
    private static let hurriedDestroy: Duration = .seconds(2)

    package init(options: BuildOptions, surroundings: Surroundings) {
        self.options = options
        self.surroundings = surroundings
        journal = BuildJournal(surroundings.reporter)
        start = surroundings.timing.now()
    }

    /// The first signal that ended the build.
    package var endSignal: EndSignal? { control.withLock(\.signal) }

    /// Whether the build was ended twice, and waits for nothing any more.
    package var isAbandoned: Bool { control.withLock(\.isAbandoned) }

    /// What a report tells beside the envelope.
    package var findings: BuildFindings { journal.write(\.findings) }

    /// The first signal cancels the build, which then cleans up; the second skips all but one short try of destroying
    /// the runner.
    package func end(by signal: EndSignal) {
        let (walk, isFirst, isSecond) = control.withLock { control in
            let isFirst = control.signal == nil
            let isSecond = !isFirst && !control.isAbandoned
            if isSecond { control.isAbandoned = true }
            control.signal = control.signal ?? signal
            return (control.walk, isFirst, isSecond)
        }
        walk?.cancel()
        if isFirst { journal.report(.note("\(signal.name): ending the build and its runner")) }
        guard isSecond else { return }
        Task { await abandon() }
    }

    package func run() async -> ResultEnvelope {
        let walk = Task { await self.walk() }
        let isEnded = control.withLock { control in
            control.walk = walk
            return control.signal != nil
        }
        if isEnded { walk.cancel() }
        // The result is only ever settled with an envelope, never with an error.
        return (try? await Task { try await self.result.value() }.value) ?? journal.envelope
    }

    private func abandon() async {
        journal.report(.note("ended again: destroying the runner and leaving"))
        await control.withLock(\.lanes)?.abandon(within: Self.hurriedDestroy)
        finish { envelope in
            // A signal makes the build cancelled, unless it has succeeded already.
            guard envelope.status != .succeeded else { return }
            envelope.status = .cancelled
            envelope.error = .cancelled(in: .teardown)
        }
    }

    private func walk() async {
        var random = SystemRandomNumberGenerator()
        let buildID = makeBuildID(millisecondsSince1970: UInt64(surroundings.timing.wallClock()), using: &random)
        journal.write { $0.envelope.buildID = buildID }
        do {
            if let (plan, split) = try await prepare(buildID) { return await build(plan, split) }
            finish { $0.status = .planned }
        } catch {
            finish { $0.fail(endSignal == nil ? LianError(error, in: .resolve) : .cancelled(in: .resolve)) }
        }
    }

    /// Everything before a runner is asked for; nil for a dry run, which ends here.
    private func prepare(_ buildID: String) async throws -> (AttemptPlan, PlatformSplit)? {
        journal.report(.started(.resolve, "reading what to build"))
        let request = try await RequestReader(options: options, surroundings: surroundings).request()
        journal.write { $0.envelope.take(request) }
        for warning in request.warnings { journal.warn(warning) }
        for note in request.notes { journal.report(.note(note)) }
        let environment = surroundings.environment
        let http = try HTTPClient()
        let client = try OrchestratorClient(
            server: request.orchestrator.url, token: request.orchestrator.token,
            authorities: request.orchestrator.authorities, http: http,
            timing: surroundings.timing)
        async let secrets = BuildSecrets.read(request, environment: environment, http: http)
        async let resolved = Resolver(options: options, surroundings: surroundings).resolve(
            request, history: HistorySource(client: client))
        async let served = servedPlatforms(request, client)
        async let volume = VolumeOffer.ask(for: options.dryRun ? .off : request.volume, client)
        let loads = request.artifacts.contains { $0.outputs.brought.contains { $0.place == .engine } }
        let engine = loads ? try await ContainerEngine.find(environment: environment) : nil
        let access = try RunnerAccess(request, environment: environment)
        let resolution = try await resolved
        let split = try PlatformSplit(request, served: try await served)
        journal.write { entries in
            entries.envelope.take(resolution)
            entries.findings.largest = resolution.largest
        }
        for warning in resolution.warnings + split.warnings { journal.warn(warning) }
        let offer = await volume
        if let known = offer.known {
            journal.write { $0.envelope.volume = known }
            if known.state == .cold { journal.report(.volume(known)) }
        }
        let read = try await secrets
        let events = await EventTarget.read(request, environment: environment, http: http)
        for warning in read.warnings + events.warnings { journal.warn(warning) }
        let rsync =
            try options.dryRun
            ? nil
            : LocalRsync.find(
                installation: surroundings.installation, environment: environment, timing: surroundings.timing)
        // Before the passphrase is asked for: on a terminal nothing may be drawn over the question.
        journal.report(.finished(.resolve, "the context has \(resolution.total.files) files"))
        await journal.drain(to: 0)
        let key = options.dryRun ? nil : try await access.key()
        journal.write { $0.envelope.timings?.resolve = surroundings.milliseconds(since: start) }
        try Task.checkCancellation()
        guard let rsync, let key else {
            journal.write { $0.envelope.plan = resolution.plan(split, engine: engine?.name) }
            return nil
        }
        let plan = AttemptPlan(
            buildID: buildID, platform: nil, resolution: resolution, client: client, http: http, volume: offer.request,
            key: key, knownHosts: access.knownHosts, secrets: read, events: events.settings, rsync: rsync,
            engine: engine, journal: journal, surroundings: surroundings)
        return (plan, split)
    }

    /// What runners build for natively, where that matters; nil where the orchestrator does not say it. A plan of what
    /// would be done needs no orchestrator, unless it is to say whether that would be refused.
    private func servedPlatforms(
        _ request: BuildRequest, _ client: OrchestratorClient
    ) async throws(LianError) -> [String]? {
        guard PlatformSplit.matters(to: request) else { return nil }
        do {
            let limit: Duration = options.dryRun ? HistorySource.budget : .seconds(30)
            return try await client.health(within: limit, patiently: !options.dryRun).platforms
        } catch {
            let mayEmulate = request.artifacts.allSatisfy { $0.emulation == .auto }
            guard options.dryRun, mayEmulate else { throw error.during(.resolve) }
            return nil
        }
    }

    private func build(_ plan: AttemptPlan, _ split: PlatformSplit) async {
        let request = plan.resolution.request
        // What an earlier build left is not taken for this one's, should this one fail.
        if let file = request.imageIDFile, fileKind(file) == .regular { unlink(file) }
        let events = BuildEvents(
            plan.events, of: request, buildID: plan.buildID, timing: surroundings.timing)
        let lanes = SideBySide(
            plan, split, events: events, isQuestion: options.call != nil, asksForNextSize: options.report != nil,
            wasEnded: { [weak self] in self?.endSignal != nil })
        control.withLock { $0.lanes = lanes }
        let last = await lanes.build()
        events.send(
            journal.envelope.finalEvent(duration: surroundings.milliseconds(since: start)), attempt: last)
        // In a task of its own: what cancelled the build does not cancel its cleanup.
        await Task { await lanes.end() }.value
        writeMetadata(request)
        writeImageID(request)
        finish()
    }

    /// Writes the metadata file as buildx does: one image's metadata as it is, several by their names.
    private func writeMetadata(_ request: BuildRequest) {
        let metadata = journal.write(\.metadata)
        guard let file = request.metadataFile, !metadata.isEmpty else { return }
        let value = request.artifacts.count == 1 ? metadata.values.first ?? .null : .object(metadata)
        do throws(SystemError) {
            try replaceFile(file, value.encoded() + "\n", mode: 0o644)
        } catch {
            journal.warn(.metadataNotWritten, "\(file): \(error.reason)")
        }
    }

    /// Writes the id of the image as buildx does: the digest of its configuration, or of the index of several.
    private func writeImageID(_ request: BuildRequest) {
        guard let file = request.imageIDFile, let metadata = journal.write(\.metadata).values.first else { return }
        let id = ["containerimage.config.digest", "containerimage.digest"].lazy.compactMap { metadata[$0]?.stringValue }
        guard let first = id.first(where: ImageReference.isDigest) else { return }
        do throws(SystemError) {
            try replaceFile(file, first, mode: 0o644)
        } catch {
            journal.warn(.metadataNotWritten, "\(file): \(error.reason)")
        }
    }

    /// Settles the envelope, once.
    private func finish(_ last: (inout ResultEnvelope) -> Void = { _ in }) {
        let envelope = journal.write { entries in
            control.withLock(\.lanes)?.join(&entries)
            entries.envelope.timings?.total = surroundings.milliseconds(since: start)
            last(&entries.envelope)
            return entries.envelope
        }
        result.settle(.success(envelope))
    }
}
