import LianHTTP
import LianModel
import LianSystem

package enum KeepOutcome: Equatable, Sendable {
    case answered(KeptVolume)
    /// It was not done. What was said is to be shown.
    case refused(VolumeTrouble, String)
    /// No answer tells whether it was done. What happened instead is to be shown.
    case unknown(String)
}

extension OrchestratorClient {
    /// How long keeping may take, its retries included: the runner's end waits for it.
    package static let keepBudget: Duration = .seconds(15)

    /// Has the runner's volume kept. The same answer comes however often it is asked, so it is retried like all else.
    package func keep(
        _ id: String, _ request: KeepRequest, within budget: Duration = keepBudget
    ) async -> KeepOutcome {
        let call = Call(
            method: .post, path: "/api/v1/runners/\(id)/keep", body: request.json,
            // Whatever fails in the server while it keeps may go well the next time.
            isRetried: { $0 == 429 || $0 >= 500 })
        switch await perform(call, until: timing.now() + budget).answer {
        case .failure(let failure): return .unknown(error(failure, .teardown).message)
        case .success(let answer): return keepOutcome(of: answer)
        }
    }

    private func keepOutcome(of answer: APIAnswer) -> KeepOutcome {
        switch answer.status {
        case 200:
            do {
                var kept = try KeptVolume(answer.data())
                kept.reason = kept.reason.map(shown)
                return .answered(kept)
            } catch {
                return .unknown(self.error(error, .teardown).message)
            }
        case 404:
            return .refused(.notServed, said(answer))
        case 409: return .refused(.notReady, said(answer))
        case 410: return .refused(.runnerGone, said(answer))
        case 300..<500 where answer.status != 429: return .refused(.refused, said(answer))
        default: return .unknown(said(answer))
        }
    }
}
