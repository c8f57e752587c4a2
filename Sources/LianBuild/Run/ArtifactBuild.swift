import LianBuildKit
import LianModel
import LianRemote
import LianSystem

/// The build of one artifact on a runner, from its first step to its verdict; once more where only its push failed.
struct ArtifactBuild: Sendable {
    let artifact: ArtifactRequest
    let bench: ArtifactBench
    let resolution: Resolution
    let secrets: BuildSecrets
    let journal: BuildJournal
    let timing: Timing

    /// One try, and one more where only the push failed.
    private static let tries = 2

    func run() async throws -> ArtifactOutcome {
        let start = timing.now()
        var tried = 0
        var executed = 0
        while true {
            let finished: ArtifactRun.Finished
            do {
                finished = try await artifactRun(tried).run()
            } catch let failure as RemoteFailure {
                throw failure.lianError(.build)
            }
            tried += 1
            executed = executed.upToLargest(adding: finished.log.executedMilliseconds)
            await bench.take(finished)
            let verdict = ArtifactVerdict(finished, artifact: artifact, mask: secrets.mask)
            if case .pushFailed(let error) = verdict, tried < Self.tries {
                journal.report(.note("\(error.message); trying again on the same runner"))
                try await timing.sleep(.seconds(1) + .seconds(2 * timing.random()))
                continue
            }
            let duration = (timing.now() - start).milliseconds
            var outcome = outcome(of: finished, verdict, duration: duration)
            outcome.executedMS = executed
            journal.report(.artifactEnded(artifact.name, outcome.status, digest: outcome.digest))
            return outcome
        }
    }

    private func outcome(
        of finished: ArtifactRun.Finished, _ verdict: ArtifactVerdict, duration: Int
    ) -> ArtifactOutcome {
        var outcome = ArtifactOutcome(status: .failed)
        outcome.steps = StepCount(total: finished.log.stepCount, cached: finished.log.cachedCount)
        outcome.durationMS = duration
        outcome.exitCode = Int(finished.end.exitStatus)
        switch verdict {
        case .succeeded:
            outcome.status = .succeeded
            outcome.metadata = finished.metadata
            outcome.digest = finished.metadata?["containerimage.digest"]?.stringValue
            if let reason = finished.log.cacheNotWritten {
                journal.warn(.cacheNotWritten, "the cache of \(artifact.name) was not written: \(onOneLine(reason))")
            }
        case .outOfMemory(let verdict, let error):
            outcome.oom = verdict
            outcome.error = error
        case .failed(let error), .pushFailed(let error):
            outcome.error = error
        }
        return outcome
    }

    private func artifactRun(_ tried: Int) -> ArtifactRun {
        var folders = resolution.folders(of: artifact, workFolder: bench.runner.workDir)
        if tried > 0 { folders.run += "-\(tried + 1)" }
        let request = resolution.request
        var artifact = artifact
        if !request.writesCache(from: bench.runner) { artifact.cacheTo = [] }
        return ArtifactRun(
            artifact: artifact,
            command: BuildctlCommand(
                artifact: artifact, registry: request.registry, compression: request.compression, folders: folders,
                address: bench.runner.buildkitAddress, progress: bench.engine.progress,
                exportsAllStages: bench.engine.cachesAllStages),
            secrets: secrets, connection: bench.connection, waiting: bench.takeWrapper(), reporter: journal,
            timing: timing)
    }
}
