import LianContext
import LianModel

/// What a build decided before it touched a runner.
package struct Resolution: Sendable {
    package var request: BuildRequest
    package let sizing: Sizing
    package let runnerImage: String?
    /// What travels: each pair of folder and Dockerfile once, however many artifacts share it.
    package let transfers: [Transfer]
    /// What was found out after the request.
    package let warnings: [BuildWarning]

    /// A folder that travels to the runner.
    package struct Transfer: Sendable {
        package let context: Context
        /// nil for an extra context.
        package let dockerfile: String?
        /// Its folder below the runner's work folder.
        package let remoteName: String
        package let summary: ContextSummary

        var source: TravellingFolder { TravellingFolder(folder: context.root, dockerfile: dockerfile) }

        var selection: TransferSelection { context.selection(summary) }

        /// The longest path that its files have when it lies in this folder.
        func longestPath(in folder: String) -> [UInt8] { Array("\(folder)/".utf8) + summary.longestPath }
    }

    package func transfer(context: String, dockerfile: String?) -> Transfer? {
        transfers.first { $0.source == TravellingFolder(folder: context, dockerfile: dockerfile) }
    }

    /// The transfers that these artifacts need.
    package func transfers(of artifacts: [ArtifactRequest]) -> [Transfer] {
        transfers.filter { transfer in
            artifacts.contains { $0.travelling.contains(transfer.source) }
        }
    }

    /// The folders of one artifact on a runner with this work folder.
    package func folders(of artifact: ArtifactRequest, workFolder: String) -> BuildctlCommand.Folders {
        func remote(_ context: String, _ dockerfile: String?) -> String {
            "\(workFolder)/\(transfer(context: context, dockerfile: dockerfile)?.remoteName ?? "")"
        }
        var extra: [String: String] = [:]
        for (name, source) in artifact.extraContexts {
            if let folder = source.place?.folder { extra[name] = remote(folder, nil) }
        }
        return BuildctlCommand.Folders(
            context: artifact.context.folder.map {
                remote($0, artifact.givenDockerfile == nil ? artifact.dockerfile : nil)
            } ?? "", extraContexts: extra,
            caches: Dictionary(
                artifact.cacheFrom.compactMap(\.folder).map { ($0, remote($0, nil)) }, uniquingKeysWith: { $1 }),
            run: "\(workFolder)/run-\(artifact.name)")
    }

    /// What all transfers hold together.
    package var total: ContextResult {
        var total = ContextResult(files: 0, bytes: 0, excludedFiles: 0, sentBytes: nil)
        for transfer in transfers {
            total.files += transfer.summary.files
            total.bytes = total.bytes.upToLargest(adding: transfer.summary.bytes)
            total.excludedFiles += transfer.summary.excludedFiles
        }
        return total
    }

    package func caches(of artifacts: [ArtifactRequest]) -> CacheResult {
        CacheResult(
            from: artifacts.flatMap { $0.cacheFrom.map(\.description) }.eachOnce,
            to: artifacts.flatMap { $0.cacheTo.map(\.description) }.eachOnce)
    }

    /// The largest files of all that travels.
    package var largest: [Plan.LargePath] {
        let all = transfers.flatMap { transfer in
            // The paths of a single folder speak for themselves; with several, each path has to name its folder.
            transfer.summary.largest.map { large in
                let path = transfers.count == 1 ? large.path : "\(transfer.context.root)/\(large.path)"
                return Plan.LargePath(path: path, bytes: large.bytes)
            }
        }
        return Array(all.sorted { ($1.bytes, $0.path) < ($0.bytes, $1.path) }.prefix(Self.largestShown))
    }

    private static let largestShown = 5

    /// `engine` is what images would be loaded into.
    package func plan(_ split: PlatformSplit, engine: String?) -> Plan {
        let isSplit = split.parts.count > 1
        let artifacts = split.parts.flatMap { part in
            part.artifacts.map { artifact in
                let command = BuildctlCommand(
                    artifact: artifact, registry: request.registry,
                    folders: folders(of: artifact, workFolder: ReadyRunner.defaultWorkDir),
                    address: nil, progress: .rawjson, exportsAllStages: true, request: request.call?.requests.first)
                return Plan.Artifact(
                    name: artifact.name, platform: isSplit ? part.platform : nil, buildctl: command.redactedArguments)
            }
        }
        let outputs = request.artifacts.flatMap { artifact in
            artifact.outputs.brought.map {
                Plan.Output(artifact: artifact.name, type: $0.word, dest: $0.path ?? engine ?? "")
            }
        }
        return Plan(artifacts: artifacts, outputs: outputs, largest: largest, volume: request.volume.request)
    }

    /// Refuses a path that nobody could open below this work folder of a runner.
    package func checkPaths(below workFolder: String, _ phase: Phase) throws(LianError) {
        for transfer in transfers {
            let path = transfer.longestPath(in: "\(workFolder)/\(transfer.remoteName)")
            if path.count > longestPath { throw .pathTooLong(path, phase, on: "the runner") }
        }
    }

    /// Refuses an argument with which no runner could start buildctl.
    func checkArguments() throws(LianError) {
        for artifact in request.artifacts {
            let command = BuildctlCommand(
                artifact: artifact, registry: request.registry,
                folders: folders(of: artifact, workFolder: ReadyRunner.defaultWorkDir), address: nil,
                progress: .rawjson, exportsAllStages: true, request: request.call?.requests.first)
            guard let (name, bytes) = command.tooLongArgument else { continue }
            throw LianError(
                .invalidArgument, .resolve,
                "buildctl's argument \(name) for \(artifact.name) would be \(bytes) bytes long, and no command takes one "
                    + "of more than \(BuildctlCommand.longestArgument)",
                hint: "Put what is so long into a file of the context, or into a secret.")
        }
    }
}
