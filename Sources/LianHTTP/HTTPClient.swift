import LianModel
import LianSystem
import Synchronization

/// Requests over HTTP and HTTPS. Connections are kept and used again; the certificate is verified against the
/// system's authorities, and those that the request trusts besides; redirects are not followed; proxies are taken from
/// the environment as curl does, but never for this machine itself.
package final class HTTPClient: Sendable {
    private let loop: TransferLoop

    package init() throws(SystemError) {
        loop = try TransferLoop()
    }

    deinit {
        loop.stop()
    }

    /// Sends the request once. Cancelling the task ends it at once.
    package func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let answer = PendingAnswer()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait { continuation.resume(returning: $0) }
                loop.start(request, answer)
            }
        } onCancel: {
            answer.resolve(.failure(HTTPFailure(.cancelled, "")))
            loop.cancel(answer)
        }
        return try outcome.get()
    }

    /// The same for a thread that may block. It needs none of the threads on which Tasks run, so that those who wait here
    /// cannot be waiting for each other.
    package func sendAndWait(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
        let answer = PendingAnswer()
        let told = Monitor<PendingAnswer.Outcome?>(nil)
        answer.wait { outcome in told.update { $0 = outcome } }
        loop.start(request, answer)
        guard let outcome = told.wait(atMost: nil, until: { $0 }) else { throw HTTPFailure(.cancelled, "") }
        return try outcome.get()
    }

    /// Whether the server's port speaks HTTPS where the URL says http, or HTTP where it says https. It is asked for its
    /// root, with no header of the caller's.
    package func speaksOtherScheme(than server: HTTPURL) async -> Bool {
        var question = HTTPRequest(.get, server.withOtherScheme, "/")
        question.connectTimeout = .seconds(2)
        question.timeout = .seconds(2)
        question.needsFreshConnection = true
        do {
            // 400 is what servers of HTTPS tell clients who speak no TLS.
            return try await send(question).status != 400
        } catch {
            return server.scheme == .http && error.kind == .certificateRefused
        }
    }
}

/// An answer that someone waits for. Whoever resolves it first decides; everyone after that is ignored.
final class PendingAnswer: Sendable {
    typealias Outcome = Result<HTTPResponse, HTTPFailure>

    private enum State {
        case open
        case awaited(@Sendable (Outcome) -> Void)
        case resolved(Outcome)
    }

    private let state = Mutex<State>(.open)

    func wait(_ body: @escaping @Sendable (Outcome) -> Void) {
        let early: Outcome? = state.withLock { state in
            if case .resolved(let outcome) = state { return outcome }
            state = .awaited(body)
            return nil
        }
        if let early { body(early) }
    }

    func resolve(_ outcome: Outcome) {
        let waiting: (@Sendable (Outcome) -> Void)? = state.withLock { state in
            switch state {
            case .resolved:
                return nil
            case .open:
                state = .resolved(outcome)
                return nil
            case .awaited(let body):
                state = .resolved(outcome)
                return body
            }
        }
        waiting?(outcome)
    }

    var isResolved: Bool {
        state.withLock { state in
            if case .resolved = state { true } else { false }
        }
    }
}
