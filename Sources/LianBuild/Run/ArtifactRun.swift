import LianBuildKit
import LianChannel
import LianModel
import LianRemote
import LianSSH
import LianSystem
import Synchronization

/// One artifact's `buildctl build` on the runner, followed to its end.
struct ArtifactRun: Sendable {
    let artifact: ArtifactRequest
    let command: BuildctlCommand
    let secrets: BuildSecrets
    let connection: RunnerConnection
    /// A wrapper that was started ahead for this run.
    let waiting: WaitingWrapper?
    /// Brings its outputs to the caller.
    let outputs: OutputSync
    let reporter: any BuildReporter
    let timing: Timing
    /// See `Surroundings`.
    let traceParent: String?

    /// How buildctl ended, and what its log and its metadata say.
    struct Finished: Sendable {
        var end: RunEnd
        var log: BuildLogReader
        /// BuildKit's metadata file; nil where buildctl left none.
        var metadata: JSONValue?
        /// What the frontend answered, where it was asked for anything but an image.
        var answer: [String] = []
        /// What was brought to the caller.
        var outputs: [OutputResult] = []
        /// Why one of them did not reach its place.
        var outputFailure: LianError?
        /// Why caches did not reach their folders at the caller.
        var cacheTroubles: [String] = []
        /// Removes what the run left on the runner; only the end of the connection waits for it.
        let leaving: Task<Void, Never>
    }

    /// How long the command gets to end after a cancel, before the runner is destroyed under it.
    private static let stopLimit: Duration = .seconds(3)

    /// How much of the log its watcher may have to read yet, in bytes, before more of it is fetched from the runner.
    private static let logBacklog = 256 << 10

    /// An engine whose operator sends its spans to a collector joins the trace by TRACEPARENT. Where the caller's
    /// collector is, the runner is not told: buildctl would wait for it, and the way there may need a key.
    private var environment: [String: String] {
        var all = secrets.buildEnvironment(run: command.folders.run)
        all["TRACEPARENT"] = traceParent
        return all
    }

    func run() async throws -> Finished {
        let folder = command.folders.run
        var request = RunRequest(
            folder: folder, arguments: ["buildctl"] + command.arguments, environment: environment,
            secrets: secrets.files(of: artifact), hiding: secrets.mask)
        request.agents = secrets.agents(of: artifact)
        let remote = RemoteRun(request, timing: timing)
        reporter.report(.artifactStarted(artifact.name))
        let log = LogRelay(
            reporter, artifact: artifact.name, keepsText: command.request != nil, hiding: secrets.mask)
        let host = Guarded(await connection.host)
        let reconnect: @Sendable () async throws -> any RemoteHost = {
            reporter.report(.note("the connection to the runner broke; the build goes on there, coming back to it"))
            let next = try await connection.replacement(for: host.value)
            host.set(next)
            return next
        }
        do {
            try await remote.connect(to: host.value, through: waiting)
            let end = try await remote.follow(reconnect: reconnect) { bytes in
                log.take(bytes)
                await reporter.drain(to: Self.logBacklog)
            }
            let reader = log.finish()
            let result = try await remote.collect(reconnect: reconnect)
            let isBuilt = end.isSuccess && command.request == nil
            let (brought, failure) = isBuilt ? try await bring() : ([], nil)
            let troubles = isBuilt ? try await bringCaches() : []
            // Where the connection breaks before this is done, what is left goes with the runner.
            let leaving = Task<Void, Never> { try? await remote.remove() }
            return Finished(
                end: end, log: reader, metadata: result.flatMap { try? JSONValue.parse($0) }, answer: log.answer,
                outputs: brought, outputFailure: failure, cacheTroubles: troubles, leaving: leaving)
        } catch {
            // Whatever ended the run here, a cancel included, the command on the runner is to end too. The stop has a
            // task of its own, since this one may be cancelled.
            _ = await Task { await remote.stop(within: Self.stopLimit) }.value
            if error as? RemoteFailure == .diskFull {
                throw FilledDisk(fill: DiskFill(endLostAfter: log.finish()))
            }
            throw error
        }
    }
}

extension ArtifactRun {
    /// One that does not reach its place fails its artifact, and no other.
    private func bring() async throws -> ([OutputResult], LianError?) {
        var results: [OutputResult] = []
        for (index, output) in artifact.outputs.brought.enumerated() {
            let source = OutputSync.Source(folder: command.folders.run, name: BuildctlCommand.outputName(index))
            do {
                results.append(try await outputs.bring(output, from: source))
            } catch let error as LianError where error.code == .outputFailed {
                return (results, error)
            }
        }
        return (results, nil)
    }

    /// A cache that does not come is a warning, whatever keeps it away: the image is what was asked for.
    private func bringCaches() async throws -> [String] {
        var troubles: [String] = []
        for (index, store) in artifact.cacheTo.enumerated() {
            guard let folder = store.folder else { continue }
            let source = OutputSync.Source(folder: command.folders.run, name: BuildctlCommand.cacheName(index))
            do {
                _ = try await outputs.bring(BroughtOutput(.local, to: .folder(folder)), from: source)
            } catch {
                let told = LianError(error, in: .build)
                guard told.code != .cancelled else { throw error }
                troubles.append(told.message)
            }
        }
        return troubles
    }
}

/// Reads the engine's log on its way to whoever watches.
private final class LogRelay: Sendable {
    private let reporter: any BuildReporter
    private let artifact: String
    private let reader: Mutex<BuildLogReader>
    /// Whether the log for people is kept, and not shown on its way.
    private let keepsText: Bool
    private let kept = Mutex<[UInt8]>([])

    /// An answer that is longer is cut.
    private static let keptBytes = 1 << 20

    init(_ reporter: any BuildReporter, artifact: String, keepsText: Bool, hiding mask: SecretMask) {
        self.reporter = reporter
        self.artifact = artifact
        self.keepsText = keepsText
        reader = Mutex(BuildLogReader(hiding: mask))
    }

    func take(_ bytes: [UInt8]) {
        reader.withLock { reader in
            let text = reader.read(bytes)
            show(text, reader.takeChanges())
        }
    }

    func finish() -> BuildLogReader {
        reader.withLock { reader in
            let rest = reader.finish()
            show(rest, reader.takeChanges())
            return reader
        }
    }

    /// What buildctl printed beside its progress, which is a line of `#` and a number each.
    var answer: [String] {
        let text = kept.withLock { String(decoding: $0, as: UTF8.self) }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.filter { !$0.hasPrefix("#") }.map { onOneLine(String($0), limit: 1000) }
    }

    private func show(_ text: [UInt8], _ changes: StepChanges) {
        if keepsText {
            kept.withLock { $0 += text.prefix(max(0, Self.keptBytes - $0.count)) }
        } else if !text.isEmpty {
            reporter.report(.log(artifact: artifact, text))
        }
        for step in changes.steps {
            reporter.report(.step(artifact: artifact, step))
        }
        for output in changes.output {
            reporter.report(.output(artifact: artifact, step: output.step, lines: output.lines))
        }
    }
}
