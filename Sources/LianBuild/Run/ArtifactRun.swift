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
    let reporter: any BuildReporter

    /// How buildctl ended, and what its log and its metadata say.
    struct Finished: Sendable {
        var end: RunEnd
        var log: BuildLogReader
        /// BuildKit's metadata file; nil where buildctl left none.
        var metadata: JSONValue?
    }

    /// What a remote group gets to end after a cancel, before the runner is destroyed under it.
    private static let stopLimit: Duration = .seconds(3)

    func run() async throws -> Finished {
        let folder = command.folders.run
        let remote = RemoteRun(
            RunRequest(
                folder: folder, arguments: ["buildctl"] + command.arguments,
                environment: secrets.environment(run: folder), secrets: secrets.files(of: artifact)))
        let log = LogRelay(reporter, hiding: secrets.mask)
        let host = Guarded(await connection.host)
        let reconnect: @Sendable () async throws -> any RemoteHost = {
            reporter.report(.note("the connection to the runner broke; the build goes on there, coming back to it"))
            let next = try await connection.replacement(for: host.value)
            host.set(next)
            return next
        }
        do {
            try await remote.connect(to: host.value)
            let end = try await remote.follow(reconnect: reconnect) { log.take($0) }
            let reader = log.finish()
            let result = try await remote.collect(reconnect: reconnect)
            return Finished(end: end, log: reader, metadata: result.flatMap { try? JSONValue.parse($0) })
        } catch {
            // Whatever ended this, a cancel included: the command on the runner ends too. In a task of its own, since
            // this one may be cancelled.
            _ = await Task { await remote.stop(within: Self.stopLimit) }.value
            throw error
        }
    }
}

/// Reads the engine's log on its way to whoever watches, who sees no secret of it.
private final class LogRelay: Sendable {
    private let reporter: any BuildReporter
    private let state: Mutex<(reader: BuildLogReader, mask: SecretMask)>

    init(_ reporter: any BuildReporter, hiding mask: SecretMask) {
        self.reporter = reporter
        state = Mutex((BuildLogReader(), mask))
    }

    func take(_ bytes: [UInt8]) {
        show(state.withLock { $0.mask.mask($0.reader.read(bytes)) })
    }

    func finish() -> BuildLogReader {
        let (text, reader) = state.withLock { state in
            let rest = state.mask.mask(state.reader.finish())
            return (rest + state.mask.finish(), state.reader)
        }
        show(text)
        return reader
    }

    private func show(_ text: [UInt8]) {
        if !text.isEmpty { reporter.report(.log(text)) }
    }
}
