import LianBuildKit
import LianModel
import LianRemote
import LianSystem

/// What an artifact's run came to.
enum ArtifactVerdict: Sendable {
    case succeeded
    case outOfMemory(OOMVerdict, LianError)
    case diskFull(DiskFill, LianError)
    /// The registry had a bad moment: worth another try on the same runner, whose cache is warm.
    case registryTroubled(LianError, RegistryTrouble)
    case failed(LianError)

    /// The exit status by which a program in the place of buildctl says that its engine lacks something.
    private static let unsupportedStatus: Int32 = 64
    private static let unsupportedLabel = "engine_unsupported: "

    /// `mask` is for the lines of the Dockerfile that errors quote. The log that was read holds no secret any more.
    /// `call` is what was asked in the place of a build.
    init(
        _ finished: ArtifactRun.Finished, artifact: ArtifactRequest, diskWasFull: Bool, mask: SecretMask,
        call: BuildCall? = nil
    ) {
        let end = finished.end
        guard !end.isSuccess else {
            self = finished.outputFailure.map { .failed($0) } ?? .succeeded
            return
        }
        let failure = finished.log.buildFailure
        let message = failure.message ?? "buildctl exited with \(end.exitStatus)"
        if let verdict = OOMVerdict(
            exitStatus: end.exitStatus, signs: finished.log.signs, kernelOOMKills: end.kernelOOMKills,
            endedByUs: end.cause != .ended)
        {
            self = .outOfMemory(verdict, Self.outOfMemoryError(artifact, failure, message, mask))
        } else if end.cause != .ended {
            self = .failed(
                LianError(
                    .connectionLost, .build,
                    "the runner ended the build of \(artifact.name): nobody was connected to it",
                    hint: "Check the network to the runner, then build again."))
        } else if end.exitStatus == Self.unsupportedStatus, message.hasPrefix(Self.unsupportedLabel) {
            var what = onOneLine(String(message.dropFirst(Self.unsupportedLabel.count)))
            if what == "--opt requestid", let call { what = "--call \(call.rawValue)" }
            self = .failed(
                LianError(
                    .engineUnsupported, .build, "the runner's engine cannot do this: \(what)",
                    hint: "Use a runner with a BuildKit of its own; docs/engines.md says what each engine can."))
        } else if message.contains("unsupported request frontend.") {
            self = .failed(
                LianError(
                    .engineUnsupported, .build, "the runner's engine cannot answer this --call",
                    hint: "--call check needs BuildKit 0.15, or # syntax=docker/dockerfile:1 in the Dockerfile."))
        } else if message.contains("only single Exports can be specified") {
            self = .failed(
                LianError(
                    .engineUnsupported, .build, "the runner's engine makes one output at a time (--output)",
                    hint: "Several need BuildKit 0.13 on the runner. Ask for one, or build once for each."))
        } else if let entitlement = Self.refusedEntitlement(message) {
            self = .failed(
                LianError(
                    .engineUnsupported, .build, "the runner's engine was not given \(entitlement)",
                    hint: "Its operator allows it by insecure-entitlements in buildkitd's configuration."))
        } else if let fill = Self.diskFill(finished.log, failure, wasFull: diskWasFull) {
            self = .diskFull(fill, Self.diskError(fill, artifact, failure, message, mask))
        } else if finished.log.signs.engineLost {
            self = .failed(
                LianError(
                    .engineLost, .build, "the build engine on the runner was gone in the middle of \(artifact.name)",
                    hint: "It was not out of memory; the runner's own log may say more. Build again.",
                    logTail: Self.tail(failure, message)))
        } else {
            let signs = finished.log.signs
            let error =
                signs.pushFailed
                ? Self.pushError(artifact, failure, message) : Self.buildError(artifact, failure, message, mask)
            self = signs.registryTrouble.map { .registryTroubled(error, $0) } ?? .failed(error)
        }
    }

    /// What a step prints counts only where the disk was seen full: it may have filled one of its own, or say anything.
    private static func diskFill(_ log: BuildLogReader, _ failure: BuildFailure, wasFull: Bool) -> DiskFill? {
        let saysSo = failure.lastLines.contains { $0.lowercased().contains("no space left on device") }
        guard log.signs.diskFull || wasFull && saysSo else { return nil }
        return DiskFill(step: failure.step)
    }

    private static func diskError(
        _ fill: DiskFill, _ artifact: ArtifactRequest, _ failure: BuildFailure, _ message: String, _ mask: SecretMask
    ) -> LianError {
        let what =
            switch fill {
            case .context, .layers: failure.step.map { "in \(onOneLine($0))" } ?? "while it was built"
            case .cacheMounts: "in \(onOneLine(failure.step ?? "")), which has cache mounts"
            case .export: "when the image was made of its layers"
            }
        return LianError(
            .diskFull, .build, "\(artifact.name) filled the runner's disk \(what)",
            hint: RemoteFailure.diskHint, logTail: tail(failure, message), place: place(of: failure, in: artifact, mask)
        )
    }

    private static func pushError(
        _ artifact: ArtifactRequest, _ failure: BuildFailure, _ message: String
    ) -> LianError {
        LianError(
            .pushFailed, .push, "\(artifact.name) was built, but not pushed: \(onOneLine(message))",
            hint: "Is the registry up, and may these credentials push to \(artifact.image?.description ?? "it")?",
            logTail: tail(failure, message))
    }

    /// What BuildKit was asked to allow and does not.
    private static func refusedEntitlement(_ message: String) -> String? {
        guard let start = message.firstRange(of: "granting entitlement "),
            let end = message.firstRange(of: " is not allowed"), start.upperBound <= end.lowerBound
        else { return nil }
        return onOneLine(String(message[start.upperBound..<end.lowerBound]))
    }

    private static func buildError(
        _ artifact: ArtifactRequest, _ failure: BuildFailure, _ message: String, _ mask: SecretMask
    ) -> LianError {
        let found = place(of: failure, in: artifact, mask)
        let place = found.map { " (\(artifact.dockerfile):\($0.line))" } ?? ""
        let said = onOneLine(message)
        let what = failure.step.map { "the step \(onOneLine($0)) failed" } ?? said
        // What the message says as a whole is not told twice.
        let lines = tail(failure, message).filter { failure.step != nil || $0 != said }
        let above = lines.isEmpty ? "" : "The lines above are its last; "
        return LianError(
            .buildFailed, .build, "\(artifact.name): \(what)\(place)",
            hint: "\(above)--progress plain shows the whole log.", logTail: lines, place: found)
    }

    /// The place that the engine names, else where the failing step's instruction stands in the Dockerfile.
    private static func place(
        of failure: BuildFailure, in artifact: ArtifactRequest, _ mask: SecretMask
    ) -> SourcePlace? {
        let lines = artifact.dockerfileText.map(DockerfileLines.init)
        guard let line = failure.line ?? failure.step.flatMap({ lines?.line(ofStep: $0) }) else { return nil }
        return SourcePlace(file: artifact.dockerfilePath, line: line, text: lines?.text(ofLine: line).map(mask.masked))
    }

    private static func outOfMemoryError(
        _ artifact: ArtifactRequest, _ failure: BuildFailure, _ message: String, _ mask: SecretMask
    ) -> LianError {
        LianError(
            .outOfMemory, .build,
            "\(artifact.name) ran out of memory\(failure.step.map { " in \(onOneLine($0))" } ?? "")",
            hint: "Give it more: --memory-gb, runner.memory_gb in directives, or a larger tier.",
            logTail: tail(failure, message), place: place(of: failure, in: artifact, mask))
    }

    private static func tail(_ failure: BuildFailure, _ message: String) -> [String] {
        failure.lastLines + [onOneLine(message, limit: 1000)]
    }
}
