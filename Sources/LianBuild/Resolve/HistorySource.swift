import LianModel
import LianOrchestratorClient

/// Where a workspace's history comes from.
package struct HistorySource: Sendable {
    let client: OrchestratorClient

    /// How long a build may wait for history.
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

    /// What the workspace used before. A failure is only a warning: without history the next tier of sizing decides.
    func usage(of workspace: String, within budget: Duration) async -> (UsageHistory?, BuildWarning?) {
        do {
            switch try await client.usageHistory(workspace: workspace, within: budget) {
            case .served(let history): return (history, nil)
            case .notServed: return (nil, BuildWarning(.historyUnavailable, "the orchestrator keeps no history"))
            }
        } catch {
            return (
                nil, BuildWarning(.historyUnavailable, "the history of \(workspace) is not known: \(error.message)")
            )
        }
    }
}
