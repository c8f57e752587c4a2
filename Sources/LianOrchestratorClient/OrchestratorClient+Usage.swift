import LianHTTP
import LianModel
import LianSystem

/// The answer of a service that an orchestrator need not have.
package enum Optionally<Value: Equatable & Sendable>: Equatable, Sendable {
    case served(Value)
    /// The orchestrator answers 404: worth one warning.
    case notServed
}

extension OrchestratorClient {
    /// Who asks wants to know how it is now, unless nothing goes on before it answers.
    package func health(
        within budget: Duration, patiently: Bool = false
    ) async throws(LianError) -> OrchestratorHealth {
        var call = Call(method: .get, path: "/healthz", patience: policy.patienceWhereUnreachable)
        if !patiently {
            call.isRetried = { _ in false }
            call.patience = .zero
        }
        let answer = try await answer(to: call, within: budget, .arguments)
        guard answer.status == 200 else { throw error(answer, refusal: .orchestratorUnreachable, .arguments) }
        return try read(answer, .arguments) { (answer) throws(SchemaViolation) in
            try OrchestratorHealth(answer.data())
        }
    }

    /// What this workspace's successful builds used.
    package func usageHistory(
        workspace: String, within budget: Duration
    ) async throws(LianError) -> Optionally<UsageHistory> {
        var call = Call(method: .get, path: "/api/v1/workspaces/\(workspace)/p95")
        // Where nobody answers, the spawn will say so; waiting here would only delay that.
        call.patience = .zero
        let answer = try await answer(to: call, within: budget, .resolve)
        if answer.status == 404 { return .notServed }
        guard answer.status == 200 else { throw error(answer, refusal: .orchestratorAnswerInvalid, .resolve) }
        return .served(
            try read(answer, .resolve) { (answer) throws(SchemaViolation) in
                try UsageHistory(answer.data())
            })
    }

    /// Tells what an attempt used. The same attempt told again is kept once, so this is retried like all else.
    package func record(
        _ metrics: MetricsReport, workspace: String, within budget: Duration
    ) async throws(LianError) -> Optionally<Bool> {
        let call = Call(method: .post, path: "/api/v1/workspaces/\(workspace)/metrics", body: metrics.json)
        let answer = try await answer(to: call, within: budget, .report)
        if answer.status == 404 { return .notServed }
        guard answer.status == 202 else { throw error(answer, refusal: .orchestratorAnswerInvalid, .report) }
        return .served(true)
    }

    private func answer(
        to call: Call, within budget: Duration, _ phase: Phase
    ) async throws(LianError) -> APIAnswer {
        switch await perform(call, until: timing.now() + budget).answer {
        case .success(let answer): return answer
        case .failure(let failure): throw error(failure, phase)
        }
    }

    private func read<Value>(
        _ answer: APIAnswer, _ phase: Phase, _ body: (APIAnswer) throws(SchemaViolation) -> Value
    ) throws(LianError) -> Value {
        do { return try body(answer) } catch { throw self.error(error, phase) }
    }
}
