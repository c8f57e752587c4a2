import LianContext
import LianHTTP
import LianModel
import LianSystem

/// The first stage: from what was asked to what will be done. Reads files and asks for history; changes nothing.
package struct Resolver: Sendable {
    let options: BuildOptions
    let surroundings: Surroundings

    package init(options: BuildOptions, surroundings: Surroundings) {
        self.options = options
        self.surroundings = surroundings
    }

    /// The request alone, before anything of the context is read: it already names the workspace of the envelope.
    package func request() async throws -> BuildRequest {
        let files = descriptionFiles
        var loaded: LoadedDirectives?
        if let file = options.directives {
            loaded = try await files.directives(absolutePath(file, from: surroundings.workingFolder))
        }
        var builder = RequestBuilder(
            options: options, environment: surroundings.environment, workingFolder: surroundings.workingFolder)
        return try builder.build(directives: loaded)
    }

    /// Everything else: contexts, spec and history are looked at side by side.
    package func resolve(_ asked: BuildRequest, history: HistorySource) async throws -> Resolution {
        async let spec = descriptionFiles.buildSpec(in: asked.specFolder)
        async let usage = usage(for: asked, history)
        async let walked = walk(asked)
        let transfers = try await walked
        var request = asked
        let decided = try await spec
        if let decided {
            request.compute.size = request.compute.size.or(
                SizeWish(
                    cpu: decided.cpu, memoryGB: decided.memoryGB, timeBudgetMinutes: decided.timeBudgetMinutes))
            request.compute.language = request.compute.language ?? decided.language
            request.compute.runnerImage = request.compute.runnerImage ?? decided.runnerImage
        }
        let (measured, warning) = await usage
        if let warning { request.warnings.append(warning) }
        request.warnings += transfers.flatMap { transfer in
            transfer.summary.warnings.map { BuildWarning($0.code.rawValue, $0.message) }
        }
        let sizing = Sizing.resolve(
            explicit: request.compute.size, history: measured, language: request.compute.language,
            ladder: request.compute.ladder)
        let resolution = Resolution(request: request, sizing: sizing, transfers: transfers)
        // Before anything is spawned, by the work folder that runners have unless their orchestrator names another.
        try resolution.checkPaths(below: ReadyRunner.defaultWorkDir, .resolve)
        return resolution
    }

    /// Where the whole size is asked for, history has no say in it: a build does not wait for it then.
    private func usage(
        for asked: BuildRequest, _ history: HistorySource
    ) async -> (UsageHistory?, BuildWarning?) {
        let isSized = asked.compute.size.cpu != nil && asked.compute.size.memoryGB != nil
        if isSized, !options.dryRun { return (nil, nil) }
        return await history.usage(of: asked.workspace, within: HistorySource.budget)
    }

    private var descriptionFiles: DescriptionFiles {
        DescriptionFiles(
            environment: surroundings.environment, installation: surroundings.installation,
            importPaths: options.importPaths.map { absolutePath($0, from: surroundings.workingFolder) })
    }

    /// Walks each folder that travels once.
    private func walk(_ request: BuildRequest) async throws -> [Resolution.Transfer] {
        var wanted: [(folder: String, dockerfile: String?)] = []
        func want(_ folder: String, _ dockerfile: String?) {
            if !wanted.contains(where: { $0 == (folder, dockerfile) }) { wanted.append((folder, dockerfile)) }
        }
        for artifact in request.artifacts {
            want(artifact.context, artifact.dockerfile)
            for context in artifact.extraContexts.sorted(by: { $0.key < $1.key }).map(\.value) {
                if case .folder(let folder) = context { want(folder, nil) }
            }
        }
        return try await withThrowingTaskGroup(of: (Int, Resolution.Transfer).self) { group in
            for (index, (folder, dockerfile)) in wanted.enumerated() {
                group.addTask {
                    // The walk waits for the disk: on a thread of its own.
                    let walked = await onOwnThread {
                        Result { () throws -> (Context, ContextSummary) in
                            let context = try Context(root: folder, dockerfile: dockerfile)
                            return (context, try context.summary())
                        }
                    }
                    let (context, summary) = try walked.get()
                    let transfer = Resolution.Transfer(
                        context: context, dockerfile: dockerfile, remoteName: "context-\(index)", summary: summary)
                    return (index, transfer)
                }
            }
            var transfers: [Int: Resolution.Transfer] = [:]
            for try await (index, transfer) in group { transfers[index] = transfer }
            return transfers.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

/// Where a workspace's history comes from.
package struct HistorySource: Sendable {
    let client: OrchestratorClient

    /// What asking for history may cost a build.
    static let budget: Duration = .seconds(2)

    package init(client: OrchestratorClient) {
        self.client = client
    }

    /// What history would choose for the next build like this one.
    func nextSize(for request: BuildRequest) async -> NextSize {
        let (history, warning) = await usage(of: request.workspace, within: Self.budget)
        if let history { return NextSize(history, ladder: request.compute.ladder) }
        return .unknown(reason: warning?.message ?? "")
    }

    /// What the workspace used before. Without it the next tier of sizing decides: a failure is a warning.
    func usage(of workspace: String, within budget: Duration) async -> (UsageHistory?, BuildWarning?) {
        do {
            switch try await client.usageHistory(workspace: workspace, within: budget) {
            case .served(let history): return (history, nil)
            case .notServed: return (nil, BuildWarning("history_unavailable", "the orchestrator keeps no history"))
            }
        } catch {
            return (
                nil, BuildWarning("history_unavailable", "the history of \(workspace) is not known: \(error.message)")
            )
        }
    }
}
