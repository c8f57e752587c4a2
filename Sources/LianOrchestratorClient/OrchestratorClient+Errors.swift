import LianHTTP
import LianModel

extension OrchestratorClient {
    private static let checkAddress = "Check that --orchestrator-url or ORCHESTRATOR_URL names an orchestrator."

    func error(_ failure: HTTPFailure, _ phase: Phase) -> LianError {
        let code: ErrorCode
        let hint: String
        switch failure.kind {
        case .cancelled:
            return .cancelled(in: phase)
        case .nameNotResolved:
            code = .orchestratorUnreachable
            hint = "Check the host's name in --orchestrator-url or ORCHESTRATOR_URL."
        case .connectFailed:
            code = .orchestratorUnreachable
            hint = "Start it (lian-orchestrator is one for this machine), or name another with --orchestrator-url."
        case .certificateRefused:
            code = .orchestratorUnreachable
            hint =
                "Its certificate must be valid now and for \(server.host), by an authority that this system trusts or that "
                + "--orchestrator-ca or ORCHESTRATOR_CA names. Nothing was sent to it."
        case .tlsFailed:
            code = .orchestratorUnreachable
            hint = "Check that it serves TLS 1.2 or 1.3 at this address, and that nothing between ends the connection."
        case .wrongScheme:
            code = .orchestratorUnreachable
            hint = "If you trust it, name it by --orchestrator-url \(server.withOtherScheme) or ORCHESTRATOR_URL."
        case .connectTimedOut, .answerTimedOut, .connectionLost:
            code = .orchestratorUnreachable
            hint = "Check that the orchestrator is well and that the network lets this machine through to it."
        case .answerTooLarge, .notHTTP:
            code = .orchestratorAnswerInvalid
            hint = Self.checkAddress
        case .requestInvalid:
            code = .internalError
            hint = "This is a defect: please report it with the command line that led to it."
        }
        return LianError(code, phase, "the orchestrator at \(server) gave no answer: \(failure)", hint: hint)
    }

    func error(_ violation: SchemaViolation, _ phase: Phase) -> LianError {
        // What was found is left out: it is shortened already, perhaps in the middle of a token that the answer
        // repeats.
        let place = SchemaViolation(path: violation.path, rule: violation.rule)
        return LianError(
            .orchestratorAnswerInvalid, phase,
            "the orchestrator at \(server) gave an answer that breaks its contract: \(shown("\(place)"))",
            hint: "\(Self.checkAddress) What it has to answer stands in schemas/orchestrator.openapi.yaml.")
    }

    /// The error of an answer whose status is not the one that was hoped for. `refusal` is the code for a request
    /// that was understood and turned down.
    func error(_ answer: APIAnswer, refusal: ErrorCode, _ phase: Phase) -> LianError {
        let said = "the orchestrator at \(server) \(summary(of: answer))"
        switch answer.status {
        case _ where answer.isTokenRefused, 403:
            return LianError(.orchestratorRefused, phase, said, hint: tokenHint(answer))
        case 429:
            return LianError(
                .noCapacity, phase, said,
                hint: "Wait for other builds to end, raise the orchestrator's capacity or --spawn-timeout.")
        case 502, 503, 504:
            return LianError(
                .orchestratorUnreachable, phase, said,
                hint: "Check that the orchestrator is well; its own log says why it does not serve.")
        case 300..<400:
            return LianError(
                .orchestratorAnswerInvalid, phase, "\(said) and points elsewhere: redirects are not followed",
                hint: "Give the address it points to, if you trust it, with --orchestrator-url.")
        case 500..<600:
            return LianError(refusal, phase, said, hint: "The orchestrator's own log says what failed there.")
        case 400..<500 where answer.complaint == nil:
            return LianError(
                .orchestratorAnswerInvalid, phase, "\(said) without the error that an orchestrator gives",
                hint: Self.checkAddress)
        case 400..<500:
            return LianError(
                refusal, phase, said, hint: "Change what was asked for: the orchestrator does not take it as it is.")
        default:
            return LianError(.orchestratorAnswerInvalid, phase, said, hint: Self.checkAddress)
        }
    }

    /// "answered 409 (conflict: the key was used with another body)"
    func summary(of answer: APIAnswer) -> String {
        answer.complaint.map { "answered \(answer.status) (\(shown($0)))" } ?? "answered \(answer.status)"
    }

    /// The orchestrator's words, fit to be shown: where they repeat the caller's token, it must not be printed.
    func shown(_ text: String) -> String {
        onOneLine(text, hiding: mask)
    }

    /// By the code, and by the words of our own orchestrator where the code says less.
    private func tokenHint(_ answer: APIAnswer) -> String {
        guard token != nil else { return "Set ORCHESTRATOR_TOKEN to a token of this orchestrator." }
        let words = answer.complaint ?? ""
        switch answer.status {
        case 429:
            return "Wait a minute, and check ORCHESTRATOR_TOKEN: too often it was none of this orchestrator's."
        case 403 where words.contains("volumes of the layer 'ci'"):
            return "Build with --actor ID: the token in ORCHESTRATOR_TOKEN writes dev alone."
        case 403 where words.contains("volumes of the layer 'dev'"):
            return "Build without --actor: the token in ORCHESTRATOR_TOKEN is for ci alone."
        case 403:
            return "The token in ORCHESTRATOR_TOKEN is good for less than this build: ask who runs the orchestrator "
                + "for a token of this workspace."
        case _ where words.contains("expired"):
            return "Ask who runs the orchestrator for a new one, and set ORCHESTRATOR_TOKEN to it."
        default: return "Check that the token in ORCHESTRATOR_TOKEN is one of this orchestrator's."
        }
    }
}
