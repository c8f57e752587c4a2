import LianHTTP
import LianModel
import LianSystem

/// What the owner of a runner learns while its lease is kept.
package enum HeartbeatEvent: Equatable, Sendable {
    /// The orchestrator has no heartbeats; the runner lives. Told once, and no further one is sent.
    case unsupported
    /// The runner was ended, or is no longer known, with the reason where one is given. The last event.
    case gone(String)
    /// The runner ended by itself: its machine died, for example. The last event.
    case failed(String)
    /// The lease could not be renewed this time. Told once for each row of failures; the next beat comes all the same.
    case missed(LianError)
}

extension OrchestratorClient {
    /// Renews the runner's lease each third of it, from now until the task is cancelled or the runner is gone.
    package func keepAlive(
        _ id: String, leaseSeconds: Int, report: @Sendable (HeartbeatEvent) async -> Void
    ) async {
        let interval: Duration = .seconds(leaseSeconds) / 3
        var isMissing = false
        while true {
            do { try await timing.sleep(interval) } catch { return }
            let event = await renew(id, within: interval)
            if Task.isCancelled { return }
            guard let event else {
                isMissing = false
                continue
            }
            guard case .missed = event else { return await report(event) }
            if !isMissing { await report(event) }
            isMissing = true
        }
    }

    /// Renews the runner's lease once; nil where the runner lives and has it. Impatiently, whoever cannot answer now is
    /// not asked again.
    package func renew(
        _ id: String, within budget: Duration, patiently: Bool = true
    ) async -> HeartbeatEvent? {
        var call = Call(method: .post, path: "/api/v1/runners/\(id)/heartbeat", timeout: budget)
        if !patiently {
            call.isRetried = { _ in false }
            call.patience = .zero
        }
        switch await perform(call, until: timing.now() + budget).answer {
        case .failure(let failure): return .missed(error(failure, .build))
        case .success(let answer):
            switch answer.status {
            case 200: return end(in: answer)
            case 410:
                // The answer itself says why it was ended, but not whether that was by itself.
                if case .failed(let reason)? = await end(of: id, within: budget) { return .failed(reason) }
                return .gone(summary(of: answer))
            case 404: return await end(of: id, within: budget) ?? .unsupported
            default: return .missed(error(answer, refusal: .orchestratorAnswerInvalid, .build))
            }
        }
    }

    /// How the runner ended, by a look at itself: a heartbeat that finds none tells neither why, nor whether there are
    /// heartbeats at all. nil where it lives, or nobody tells in time.
    package func end(of id: String, within budget: Duration) async -> HeartbeatEvent? {
        let call = Call(method: .get, path: "/api/v1/runners/\(id)")
        guard case .success(let answer) = await perform(call, until: timing.now() + budget).answer else { return nil }
        return [404, 410].contains(answer.status) ? .gone("it is no longer known") : end(in: answer)
    }

    /// How the answer's runner ended; nil where it lives or the answer cannot be read, which is no proof of an end.
    private func end(in answer: APIAnswer) -> HeartbeatEvent? {
        guard let data = try? answer.data(), let runner = try? RunnerAnswer(data) else { return nil }
        let reason = shown(runner.reason ?? "the orchestrator calls it \(runner.state.rawValue)")
        return switch runner.state {
        case .failed: .failed(reason)
        case .gone: .gone(reason)
        case .pending, .ready: nil
        }
    }
}
