import LianChannel
import LianModel
import LianRemote
import LianSystem

/// Brings what a run left in its folder on the runner to the caller.
struct OutputSync: Sendable {
    let artifact: String
    let rsync: LocalRsync
    let connection: RunnerConnection
    /// Takes images, where one is to be loaded.
    let engine: ContainerEngine?
    /// What such an image is to be called.
    let names: [ImageReference]
    /// Of what a runner says of an output no secret is shown.
    let mask: SecretMask
    let reporter: any BuildReporter

    /// How long new connections are tried for, once one is lost.
    private static let patience: Duration = .seconds(60)

    private var timing: Timing { rsync.timing }

    /// Where something lies on the runner.
    struct Source: Sendable {
        /// The run's folder, and the name in it.
        let folder: String
        let name: String
    }

    func bring(_ output: BroughtOutput, from source: Source) async throws -> OutputResult {
        do {
            switch output.place {
            case .engine: return try await load(output, source)
            case .file(let path): return try await bring(output, to: path, isFolder: false, source)
            case .folder(let path): return try await bring(output, to: path, isFolder: true, source)
            }
        } catch let error as LianError {
            // Names of files and rsync's words are the runner's.
            throw error.hiding(mask)
        }
    }

    private func bring(
        _ output: BroughtOutput, to path: String, isFolder: Bool, _ source: Source
    ) async throws -> OutputResult {
        let draft = try draft(of: path, isFolder: isFolder)
        try await fetch(source, into: draft, isFolder: isFolder, called: path)
        try Task.checkCancellation()
        let bytes = try draft.commit()
        reporter.report(.note("\(path): \(Figures.bytes(bytes)) from \(artifact)"))
        return OutputResult(artifact: artifact, type: output.word, dest: path, bytes: bytes)
    }

    private func load(_ output: BroughtOutput, _ source: Source) async throws -> OutputResult {
        guard let engine else {
            throw LianError(
                .internalError, .build, "there is nothing to load an image into",
                hint: "This is a defect of lian-build's; please report it with this message.")
        }
        // Only the draft is ever there: one that was left by a process that was killed is removed by the next.
        let draft = try draft(of: "\(temporaryFolder(rsync.environment))/image.tar", isFolder: false)
        // The file goes with the draft.
        defer { withExtendedLifetime(draft) {} }
        try await fetch(source, into: draft, isFolder: false, called: "the image for \(engine.name)")
        let bytes = draft.fileSize
        try await engine.load(draft.path, names: names)
        reporter.report(.note("\(engine.name) has taken the image of \(artifact)"))
        return OutputResult(artifact: artifact, type: output.word, dest: engine.name, bytes: bytes)
    }

    private func draft(of path: String, isFolder: Bool) throws(LianError) -> OutputDraft {
        do throws(SystemError) {
            return try OutputDraft(of: path, isFolder: isFolder)
        } catch {
            throw LianError(
                .outputFailed, .build,
                "the build went well, but beside \(path) nothing can be written: \(error.reason)",
                hint: "Make room there or name another place; the next build finds its steps in the cache.")
        }
    }

    /// Over as many connections as it takes: what is there already is not sent again.
    private func fetch(_ source: Source, into draft: OutputDraft, isFolder: Bool, called dest: String) async throws {
        let arguments =
            ["--recursive", "--links", "--munge-links", "--times", "--inplace", "--no-inc-recursive"]
            // A program that runs as another than its caller is no output of a build.
            + (isFolder ? ["--perms", "--chmod=ug-s"] : [])
            + [rsync.shell, "runner:\(source.name)\(isFolder ? "/" : "")", draft.path + (isFolder ? "/" : "")]
        let meter = OutputMeter(artifact: artifact, dest: dest, reporter: reporter, timing: timing)
        let metering = Task { await meter.run() }
        defer { metering.cancel() }
        var host = await connection.host
        var loss: (until: ContinuousClock.Instant, received: Int)?
        while true {
            do {
                let used = host
                _ = try await rsync.run(arguments, receives: true) { arguments in
                    let options = try RsyncServerOptions(transportArguments: arguments, sends: true)
                    let channel = try await startRsyncSender(
                        on: used, folder: source.folder, name: "\(source.name)\(isFolder ? "/" : "")", options: options)
                    meter.count(channel)
                    return channel
                }
                return
            } catch {
                // Of a connection on which something came, the loss is another one.
                if let last = loss, meter.received > last.received { loss = nil }
                guard Self.isLoss(error), loss.map({ timing.now() < $0.until }) ?? true else {
                    throw Self.told(error, dest)
                }
                if loss == nil {
                    loss = (timing.now() + Self.patience, meter.received)
                    reporter.report(.note("the connection to the runner broke; \(dest) goes on over a new one"))
                }
                try await timing.sleep(.milliseconds(500))
                // Where none can be made, the next try meets the old one and comes back here.
                do {
                    host = try await connection.replacement(for: host)
                } catch is CancellationError {
                    throw CancellationError()
                } catch {}
            }
        }
    }

    private static func isLoss(_ error: any Error) -> Bool {
        switch error {
        case let exit as RsyncExit: exit.connectionIsLost
        case RemoteFailure.connectionLost: true
        case let error as LianError: error.code == .connectionLost
        default: false
        }
    }

    private static func told(_ error: any Error, _ dest: String) -> any Error {
        switch error {
        case let exit as RsyncExit: exit.outputError(dest)
        case let failure as RemoteFailure: failure.lianError(.build)
        case let error as LianError: error.during(.build)
        default: error
        }
    }
}
