import LianHTTP
import LianModel
import LianSystem

/// Speaks the orchestrator's API (schemas/orchestrator.openapi.yaml): each call is retried within one deadline, and
/// every failure comes as an error that says what to do next.
package struct OrchestratorClient: Sendable {
    package let server: HTTPURL
    let token: String?
    /// Trusted beside the system's.
    private let authorities: TrustedAuthorities?
    /// Hides the token.
    let mask: SecretMask
    private let http: HTTPClient
    /// Whether it has ever answered, so that the URL is right.
    private let hasAnswered = Guarded(false)
    let timing: Timing
    let policy: RetryPolicy

    /// How long one request may take; a long-poll may take its wait on top.
    static let requestTimeout: Duration = .seconds(30)

    package init(
        server: HTTPURL, token: String?, authorities: TrustedAuthorities? = nil, http: HTTPClient,
        timing: Timing = .system, policy: RetryPolicy = RetryPolicy()
    ) throws(LianError) {
        guard token?.utf8.allSatisfy(Identifier.isVisible) ?? true else {
            throw LianError(
                .invalidArgument, .arguments, "the orchestrator's token holds characters that no token can hold",
                hint: "Check ORCHESTRATOR_TOKEN for white space, line breaks and characters beyond ASCII.")
        }
        self.server = server
        self.token = token
        self.authorities = authorities
        mask = SecretMask([token].compactMap { $0 })
        self.http = http
        self.timing = timing
        self.policy = policy
    }

    /// A try that is cut off sooner tells less than the answer before it, and leaves the request's fate unknown.
    private static let shortestTry: Duration = .milliseconds(250)

    struct Call: Sendable {
        var method: HTTPRequest.Method
        var path: String
        var headers: [String: String] = [:]
        var body: JSONValue?
        var timeout = OrchestratorClient.requestTimeout
        var needsFreshConnection = false
        var isRetried: @Sendable (_ status: Int) -> Bool = RetryPolicy.isTransient
        /// Nil: an unreachable server is asked until the deadline.
        var patience: Duration?
        /// Hears once why a first answer was not enough.
        var onRetry: @Sendable (Result<APIAnswer, HTTPFailure>) -> Void = { _ in }
    }

    struct Attempted: Sendable {
        /// The last answer; one with a status that is retried stands here only where the deadline came first.
        var answer: Result<APIAnswer, HTTPFailure>
        /// Some try may have reached the server and taken effect, although no answer tells so.
        var isFateUnknown: Bool
    }

    func perform(_ call: Call, until deadline: ContinuousClock.Instant) async -> Attempted {
        var isFateUnknown = false
        var unreachableSince: ContinuousClock.Instant?
        var retries = 0
        while true {
            guard !Task.isCancelled else {
                return Attempted(answer: .failure(HTTPFailure(.cancelled, "")), isFateUnknown: isFateUnknown)
            }
            let start = timing.now()
            var asked: Duration?
            var isRefusedHere = false
            let answer = await send(call, within: min(call.timeout, max(.milliseconds(1), deadline - start)))
            switch answer {
            case .success(let answer):
                unreachableSince = nil
                guard call.isRetried(answer.status), !answer.isTokenRefused else {
                    return Attempted(answer: .success(answer), isFateUnknown: isFateUnknown)
                }
                // A gateway that lost its server says nothing of what the server did; 429 and 503 are refusals.
                if ![429, 503].contains(answer.status) { isFateUnknown = true }
                asked = answer.response.retryAfter
            case .failure(let failure):
                isFateUnknown = isFateUnknown || !failure.neverArrived
                guard failure.isTransient else {
                    return Attempted(answer: answer, isFateUnknown: isFateUnknown)
                }
                if failure.neverArrived {
                    let since = unreachableSince ?? start
                    unreachableSince = since
                    if let patience = call.patience {
                        isRefusedHere = failure.kind == .connectFailed && server.isLoopback
                        let limit = isRefusedHere ? min(patience, policy.pauseWhereRefusedHere) : patience
                        if timing.now() - since >= limit {
                            return Attempted(answer: answer, isFateUnknown: isFateUnknown)
                        }
                    }
                } else {
                    unreachableSince = nil
                }
            }
            let pause =
                isRefusedHere
                ? policy.pauseWhereRefusedHere
                : max(asked ?? .zero, policy.pause(beforeRetry: retries, random: timing.random()))
            retries += 1
            guard timing.now() + pause + Self.shortestTry < deadline else {
                return Attempted(answer: answer, isFateUnknown: isFateUnknown)
            }
            if retries == 1 { call.onRetry(answer) }
            // Ends early where the task is cancelled, which is looked at next.
            try? await timing.sleep(pause)
        }
    }

    private func send(_ call: Call, within timeout: Duration) async -> Result<APIAnswer, HTTPFailure> {
        var request = HTTPRequest(
            call.method, server, call.path, headers: call.headers, body: call.body?.encodedBytes() ?? [])
        request.headers["Accept"] = "application/json"
        if call.body != nil { request.headers["Content-Type"] = "application/json" }
        if let token { request.headers["Authorization"] = "Bearer \(token)" }
        request.timeout = timeout
        request.needsFreshConnection = call.needsFreshConnection
        request.authorities = authorities
        // A token that goes over a network in clear should at least go to a server that expects it so.
        let isChecked = token != nil && server.scheme == .http && !server.isLoopback
        if isChecked, let failure = await wrongScheme() { return .failure(failure) }
        do {
            let response = try await http.send(request)
            hasAnswered.set(true)
            return .success(APIAnswer(response: response))
        } catch {
            let mayBeScheme = !isChecked && [.tlsFailed, .connectionLost, .notHTTP].contains(error.kind)
            return .failure(mayBeScheme ? await wrongScheme() ?? error : error)
        }
    }

    /// nil where the server speaks what its URL says.
    private func wrongScheme() async -> HTTPFailure? {
        guard !hasAnswered.value, await http.speaksOtherScheme(than: server) else { return nil }
        return HTTPFailure(.wrongScheme, server.scheme == .http ? "it speaks TLS" : "it speaks plain HTTP")
    }
}
