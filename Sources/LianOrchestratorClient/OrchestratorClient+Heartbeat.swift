import LianHTTP
import LianModel
import LianSystem

/// What the owner of a runner learns while its lease is kept.
package enum HeartbeatEvent: Equatable, Sendable {
    /// The orchestrator has no heartbeats; the runner lives. Told once, and no further one is sent.
    case unsupported
    /// The runner is gone, with the reason where one is given. The last event.
    case gone(String)
    /// The lease could not be renewed this time. Told once for each row of failures; the next beat comes all the same.
    case missed(LianError)
}

extension OrchestratorClient {
    /// Renews the runner's lease each third of it, from now until the task is cancelled or the runner is gone.
    package func keepAlive(
        _ id: String, leaseSeconds: Int, report: @Sendable (HeartbeatEvent) async -> Void
    ) async {
        let interval: Duration = .seconds(leaseSeconds) / 3
        let call = Call(method: .post, path: "/api/v1/runners/\(id)/heartbeat", timeout: interval)
        var isMissing = false
        while true {
            do { try await timing.sleep(interval) } catch { return }
            switch await perform(call, until: timing.now() + interval).answer {
            case .failure(let failure):
                if failure.kind == .cancelled { return }
                if !isMissing { await report(.missed(error(failure, .build))) }
                isMissing = true
            case .success(let answer):
                switch answer.status {
                case 200:
                    isMissing = false
                    if let reason = goneReason(in: answer) { return await report(.gone(reason)) }
                case 410:
                    return await report(.gone(summary(of: answer)))
                case 404:
                    if await isGone(id, within: interval) { return await report(.gone("it is no longer known")) }
                    return await report(.unsupported)
                default:
                    if !isMissing {
                        await report(.missed(error(answer, refusal: .orchestratorAnswerInvalid, .build)))
                    }
                    isMissing = true
                }
            }
        }
    }

    /// The reason where the answer's runner has ended; nil where it lives or the answer cannot be read, which is no
    /// proof of an end.
    private func goneReason(in answer: APIAnswer) -> String? {
        guard let data = try? answer.data(), let runner = try? RunnerAnswer(data),
            runner.state == .gone || runner.state == .failed
        else { return nil }
        return shown(runner.reason ?? "the orchestrator calls it \(runner.state.rawValue)")
    }

    /// A 404 to a heartbeat is either: an orchestrator without heartbeats, or a runner that is gone.
    private func isGone(_ id: String, within budget: Duration) async -> Bool {
        let call = Call(method: .get, path: "/api/v1/runners/\(id)")
        guard case .success(let answer) = await perform(call, until: timing.now() + budget).answer else { return false }
        return answer.status == 404 || answer.status == 410 || goneReason(in: answer) != nil
    }
}
