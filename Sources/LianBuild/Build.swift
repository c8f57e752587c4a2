import LianHTTP
import LianModel
import LianSystem
import Synchronization

/// One build, from what was asked to the envelope.
package final class Build: Sendable {
    private let options: BuildOptions
    private let surroundings: Surroundings
    private let control = Mutex(Control())

    private struct Control {
        var signal: EndSignal?
        var walk: Task<ResultEnvelope, Never>?
    }

    package init(options: BuildOptions, surroundings: Surroundings) {
        self.options = options
        self.surroundings = surroundings
    }

    /// The signal that ended it first.
    package var endSignal: EndSignal? { control.withLock(\.signal) }

    package func end(by signal: EndSignal) {
        let walk = control.withLock { control -> Task<ResultEnvelope, Never>? in
            control.signal = control.signal ?? signal
            return control.walk
        }
        walk?.cancel()
    }

    package func run() async -> ResultEnvelope {
        let walk = Task { await self.walk() }
        let isEnded = control.withLock { control in
            control.walk = walk
            return control.signal != nil
        }
        if isEnded { walk.cancel() }
        return await walk.value
    }

    private func walk() async -> ResultEnvelope {
        let start = surroundings.timing.now()
        var envelope = ResultEnvelope(status: .failed)
        var random = SystemRandomNumberGenerator()
        envelope.buildID = makeBuildID(
            millisecondsSince1970: UInt64(surroundings.timing.wallClock()), using: &random)
        var timings = Timings()
        do {
            let resolver = Resolver(options: options, surroundings: surroundings)
            let request = try await resolver.request()
            envelope.take(request)
            let client = try OrchestratorClient(
                server: request.orchestrator.url, token: request.orchestrator.token, http: try HTTPClient(),
                timing: surroundings.timing)
            let resolution = try await resolver.resolve(request, history: HistorySource(client: client))
            try Task.checkCancellation()
            envelope.take(resolution)
            for warning in envelope.warnings { surroundings.reporter.report(.warning(warning)) }
            timings.resolve = surroundings.milliseconds(since: start)
            envelope.plan = resolution.plan()
            envelope.status = .planned
        } catch {
            let failure = LianError(anyError: error, endedBy: endSignal)
            envelope.status = failure.code == .cancelled ? .cancelled : .failed
            envelope.error = failure
        }
        timings.total = surroundings.milliseconds(since: start)
        envelope.timings = timings
        return envelope
    }
}

extension ResultEnvelope {
    fileprivate mutating func take(_ request: BuildRequest) {
        workspace = request.workspace
        mode = request.mode
        actor = request.actor
        warnings = request.warnings
        artifacts = request.artifacts.map { artifact in
            ArtifactResult(
                name: artifact.name, image: artifact.image.description, tags: artifact.tags.map(\.description),
                platforms: artifact.platforms, status: nil)
        }
    }

    fileprivate mutating func take(_ resolution: Resolution) {
        sizing = resolution.sizing
        cache = resolution.caches
        context = resolution.total
        warnings = resolution.request.warnings
    }
}

extension LianError {
    /// Whatever was thrown, as the one error that callers see.
    init(anyError error: any Error, endedBy signal: EndSignal?) {
        switch error {
        // A signal wins over what it broke on its way.
        case _ where signal != nil, is CancellationError:
            self.init(
                .cancelled, .resolve, "the build was ended by \(signal?.name ?? "its caller")",
                hint: "Nothing is left behind; start it again when you like.")
        case let error as LianError: self = error
        default:
            self.init(
                .internalError, .resolve, "something went wrong that should not have: \(error)",
                hint: "This is a defect of lian-build's; please report it with this message.")
        }
    }
}
