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
    let reporter: any BuildReporter
    let timing: Timing

    /// How buildctl ended, and what its log and its metadata say.
    struct Finished: Sendable {
        var end: RunEnd
        var log: BuildLogReader
        /// BuildKit's metadata file; nil where buildctl left none.
        var metadata: JSONValue?
        /// Removes what the run left on the runner; only the end of the connection waits for it.
        let leaving: Task<Void, Never>
    }

    /// How long the command gets to end after a cancel, before the runner is destroyed under it.
    private static let stopLimit: Duration = .seconds(3)

    func run() async throws -> Finished {
        let folder = command.folders.run
        let remote = RemoteRun(
            RunRequest(
                folder: folder, arguments: ["buildctl"] + command.arguments,
                environment: secrets.environment(run: folder), secrets: secrets.files(of: artifact),
                hiding: secrets.mask),
            timing: timing)
        reporter.report(.artifactStarted(artifact.name))
        let log = LogRelay(reporter, artifact: artifact.name, hiding: secrets.mask)
        let host = Guarded(await connection.host)
        let reconnect: @Sendable () async throws -> any RemoteHost = {
            reporter.report(.note("the connection to the runner broke; the build goes on there, coming back to it"))
            let next = try await connection.replacement(for: host.value)
            host.set(next)
            return next
        }
        do {
            try await remote.connect(to: host.value, through: waiting)
            let end = try await remote.follow(reconnect: reconnect) { log.take($0) }
            let reader = log.finish()
            let result = try await remote.collect(reconnect: reconnect)
            // Where the connection breaks before this is done, what is left goes with the runner.
            let leaving = Task<Void, Never> { try? await remote.remove() }
            return Finished(
                end: end, log: reader, metadata: result.flatMap { try? JSONValue.parse($0) }, leaving: leaving)
        } catch {
            // Whatever ended the run here, a cancel included, the command on the runner is to end too. The stop has a
            // task of its own, since this one may be cancelled.
            _ = await Task { await remote.stop(within: Self.stopLimit) }.value
            throw error
        }
    }
}

/// Reads the engine's log on its way to whoever watches.
private final class LogRelay: Sendable {
    private let reporter: any BuildReporter
    private let artifact: String
    private let reader: Mutex<BuildLogReader>

    init(_ reporter: any BuildReporter, artifact: String, hiding mask: SecretMask) {
        self.reporter = reporter
        self.artifact = artifact
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

    private func show(_ text: [UInt8], _ changes: StepChanges) {
        if !text.isEmpty { reporter.report(.log(artifact: artifact, text)) }
        for step in changes.steps {
            reporter.report(.step(artifact: artifact, step))
        }
        for output in changes.output {
            reporter.report(.output(artifact: artifact, step: output.step, lines: output.lines))
        }
    }
}
