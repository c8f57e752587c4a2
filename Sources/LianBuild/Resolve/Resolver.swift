import LianContext
import LianModel
import LianSystem

/// From what was asked to what will be done: the size, the caches, the files that travel. Reads files and asks for
/// history; changes nothing.
package struct Resolver: Sendable {
    private let descriptions: DescriptionFiles
    private let isDryRun: Bool

    package init(options: BuildOptions, surroundings: Surroundings) throws(LianError) {
        descriptions = try DescriptionFiles(options: options, surroundings: surroundings)
        isDryRun = options.dryRun
    }

    /// Contexts, spec and history are looked at side by side.
    package func resolve(_ request: BuildRequest, history: HistorySource) async throws -> Resolution {
        async let spec = buildSpec(request)
        async let usage = usage(for: request, history)
        async let walked = walk(request)
        let transfers = try await walked
        let decided = try await spec
        let (measured, warning) = await usage
        let compute = request.compute
        let sizing = Sizing.resolve(
            asked: compute.size, buildSpec: decided?.size ?? SizeWish(), history: measured,
            language: compute.language ?? decided?.language, ladder: compute.ladder)
        let resolution = Resolution(
            request: request, sizing: sizing, runnerImage: compute.runnerImage ?? decided?.runnerImage,
            transfers: transfers, warnings: [warning].compactMap { $0 } + transfers.flatMap(\.summary.warnings))
        // Checked before anything is spawned, with the work folder that runners have unless their orchestrator names
        // another.
        try resolution.checkPaths(below: ReadyRunner.defaultWorkDir, .resolve)
        try resolution.checkArguments()
        return resolution
    }

    private func buildSpec(_ request: BuildRequest) async throws -> BuildSpec? {
        guard let folder = request.specFolder else { return nil }
        return try await descriptions.buildSpec(in: folder)
    }

    /// Where the caller asks for the whole size, history has no say in it, so the build does not wait for history.
    private func usage(
        for request: BuildRequest, _ history: HistorySource
    ) async -> (UsageHistory?, BuildWarning?) {
        let isSized = request.compute.size.cpu != nil && request.compute.size.memoryGB != nil
        if isSized, !isDryRun { return (nil, nil) }
        return await history.usage(of: request.workspace, within: HistorySource.budget)
    }

    /// Walks each folder that travels once.
    private func walk(_ request: BuildRequest) async throws -> [Resolution.Transfer] {
        var wanted: [TravellingFolder] = []
        for one in request.artifacts.flatMap(\.travelling) where !wanted.contains(one) { wanted.append(one) }
        return try await withThrowingTaskGroup(of: (Int, Resolution.Transfer).self) { group in
            for (index, one) in wanted.enumerated() {
                let (folder, dockerfile) = (one.folder, one.dockerfile)
                group.addTask {
                    // The walk has a thread of its own: it waits for the disk, and for as long as a dead one takes.
                    let (context, summary) = try await onOwnThread { isGivenUp in
                        let context = try Context(root: folder, dockerfile: dockerfile)
                        return (context, try context.summary(isGivenUp: isGivenUp))
                    }
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
