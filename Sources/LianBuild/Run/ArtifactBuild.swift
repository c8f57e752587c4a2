import LianBuildKit
import LianModel
import LianRemote
import LianSystem

/// The build of one artifact on a runner, from its first step to its verdict; again where its registry had a bad moment.
struct ArtifactBuild: Sendable {
    let artifact: ArtifactRequest
    let bench: ArtifactBench
    let resolution: Resolution
    let secrets: BuildSecrets
    let rsync: LocalRsync
    /// Where an image is loaded into; nil where none is.
    let engine: ContainerEngine?
    let journal: BuildJournal
    let timing: Timing
    /// See `Surroundings`.
    let traceParent: String?
    /// Called before each further try for the registry's sake.
    let onRegistryRetry: @Sendable () -> Void

    func run() async throws -> ArtifactOutcome {
        if let call = resolution.request.call { return try await ask(call) }
        let start = timing.now()
        var retries = 0
        var executed = 0
        while true {
            let finished = try await finish(artifactRun(retries))
            executed = executed.upToLargest(adding: finished.log.executedMilliseconds)
            var verdict = await verdict(of: finished)
            if case .registryTroubled(let error, let trouble) = verdict {
                if let pause = RegistryPatience.pause(
                    beforeRetry: retries, asked: trouble.pause, random: timing.random())
                {
                    retries += 1
                    onRegistryRetry()
                    let seconds = Figures.decimal(pause.inSeconds)
                    journal.report(
                        .note(
                            "\(error.message); trying again on the same runner in \(seconds) s "
                                + "(\(retries) of \(RegistryPatience.retries))"))
                    try await timing.sleep(pause)
                    continue
                }
                verdict = .failed(RegistryPatience.ended(error, after: retries))
            }
            let duration = (timing.now() - start).milliseconds
            var outcome = outcome(of: finished, verdict, duration: duration)
            outcome.executedMS = executed
            journal.report(.artifactEnded(artifact.name, outcome.status, digest: outcome.digest))
            return outcome
        }
    }

    private func finish(_ run: ArtifactRun) async throws -> ArtifactRun.Finished {
        do {
            let finished = try await run.run()
            await bench.take(finished)
            return finished
        } catch let failure as RemoteFailure {
            throw failure.lianError(.build)
        }
    }

    private func verdict(of finished: ArtifactRun.Finished) async -> ArtifactVerdict {
        ArtifactVerdict(
            finished, artifact: artifact, diskWasFull: await bench.diskWasFull, mask: secrets.mask,
            call: resolution.request.call)
    }

    /// Asks about the Dockerfile and builds nothing. What the engine answers is shown as it is.
    private func ask(_ call: BuildCall) async throws -> ArtifactOutcome {
        let start = timing.now()
        var outcome = ArtifactOutcome(status: .failed)
        var checks: [CheckFinding]?
        for (index, request) in call.requests.enumerated() {
            let finished = try await finish(artifactRun(index, asking: request))
            let verdict = await verdict(of: finished)
            outcome = self.outcome(of: finished, verdict, duration: (timing.now() - start).milliseconds)
            guard case .succeeded = verdict else { break }
            guard index == 0 else { continue }
            for line in finished.answer where !line.isEmpty { journal.report(.note(line)) }
            if call == .check { checks = DockerfileCheck(finished.answer, artifact: artifact.name).findings }
        }
        outcome.metadata = nil
        outcome.checks = checks
        journal.report(.artifactEnded(artifact.name, outcome.status, digest: nil))
        return outcome
    }

    private func outcome(
        of finished: ArtifactRun.Finished, _ verdict: ArtifactVerdict, duration: Int
    ) -> ArtifactOutcome {
        var outcome = ArtifactOutcome(status: .failed)
        outcome.steps = StepCount(total: finished.log.stepCount, cached: finished.log.cachedCount)
        outcome.durationMS = duration
        outcome.exitCode = Int(finished.end.exitStatus)
        outcome.outputs = finished.outputs
        switch verdict {
        case .succeeded:
            outcome.status = .succeeded
            outcome.metadata = finished.metadata
            outcome.pushed = artifact.outputs.pushes
            outcome.digest = finished.metadata?["containerimage.digest"]?.stringValue.flatMap {
                ImageReference.isDigest($0) ? $0 : nil
            }
            if bench.engine.compressesLayers, let layers = finished.log.layersSeconds,
                let hint = CompressionHint.text(artifact, layers: layers, build: Double(duration) / 1000)
            {
                journal.report(.note(hint))
            }
            for reason in finished.cacheTroubles + [finished.log.cacheNotWritten].compactMap(\.self) {
                journal.warn(.cacheNotWritten, "the cache of \(artifact.name) was not written: \(onOneLine(reason))")
            }
        case .outOfMemory(let verdict, let error):
            outcome.oom = verdict
            outcome.error = error
        case .diskFull(let fill, let error):
            outcome.diskFill = fill
            outcome.error = error
        case .failed(let error), .registryTroubled(let error, _):
            outcome.error = error
        }
        return outcome
    }

    private func artifactRun(_ tried: Int, asking question: String? = nil) -> ArtifactRun {
        var folders = resolution.folders(of: artifact, workFolder: bench.runner.workDir)
        if tried > 0 { folders.run += "-\(tried + 1)" }
        let request = resolution.request
        var artifact = artifact
        if !request.writesCache(from: bench.runner) { artifact.cacheTo = [] }
        return ArtifactRun(
            artifact: artifact,
            command: BuildctlCommand(
                artifact: artifact, registry: request.registry, folders: folders,
                address: bench.runner.buildkitAddress, progress: bench.engine.progress,
                exportsAllStages: bench.engine.cachesAllStages, request: question),
            secrets: secrets, connection: bench.connection, waiting: bench.takeWrapper(),
            outputs: OutputSync(
                artifact: artifact.name, rsync: rsync, connection: bench.connection, engine: engine,
                names: artifact.names, mask: secrets.mask, reporter: journal),
            reporter: journal, timing: timing, traceParent: traceParent)
    }
}
