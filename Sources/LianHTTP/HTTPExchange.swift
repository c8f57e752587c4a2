import LianModel

package struct HTTPRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    package var method: Method
    package var server: HTTPURL
    /// What follows the server's own path, query included: already encoded.
    package var target: String
    package var headers: [String: String]
    package var body: [UInt8]
    package var connectTimeout: Duration = .seconds(10)
    /// From the start to the answer's last byte.
    package var timeout: Duration = .seconds(30)
    /// For https, beside the system's.
    package var authorities: TrustedAuthorities?
    /// For https: the one key that the server must show, in place of all authorities.
    package var pinnedKey: PinnedKey?
    /// For https: by what the server knows this client.
    package var identity: ClientIdentity?
    /// The socket on which the server listens, whatever host its URL names.
    package var unixSocket: String?
    /// The most that the answer's body may hold.
    package var bodyLimit = HTTPResponse.bodyLimit
    /// libcurl repeats a request by itself where a reused connection dies before the answer: what must not be
    /// asked twice gets a connection of its own.
    package var needsFreshConnection = false

    package init(
        _ method: Method, _ server: HTTPURL, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
    ) {
        self.method = method
        self.server = server
        self.target = target
        self.headers = headers
        self.body = body
    }
}

package struct HTTPResponse: Equatable, Sendable {
    package let status: Int
    /// Names in lower case. Of several with one name, the last, but all challenges.
    package let headers: [String: String]
    package let body: [UInt8]
    /// The wait that Retry-After asks for, as seconds or as a date; zero where it asks for none.
    package let retryAfter: Duration
    /// What follows the status in its line; empty where nothing does.
    package var reason = ""

    /// The header that says how a server may be shown who asks, often one of each way.
    package static let challenges = "www-authenticate"
    /// The most that a body may hold where the request does not say otherwise.
    package static let bodyLimit = 1 << 20
    /// The most that all headers of an answer may hold together.
    package static let headerLimit = 64 << 10
}

/// Why there is no answer.
package struct HTTPFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        case nameNotResolved
        /// Refused, no route, or reset at once.
        case connectFailed
        case connectTimedOut
        /// It could not show that it is the one that the URL names.
        case certificateRefused
        /// The handshake broke off: it speaks no TLS, none that this machine speaks, or it went away.
        case tlsFailed
        /// The port speaks TLS and the URL says http, or the other way round.
        case wrongScheme
        case answerTimedOut
        /// The connection ended before the answer did.
        case connectionLost
        case answerTooLarge
        case notHTTP
        case requestInvalid
        case cancelled
    }

    package let kind: Kind
    /// In libcurl's words.
    package let detail: String

    package init(_ kind: Kind, _ detail: String) {
        self.kind = kind
        self.detail = detail
    }

    package var description: String {
        let what =
            switch kind {
            case .nameNotResolved: "its name cannot be resolved"
            case .connectFailed: "no connection can be made"
            case .connectTimedOut: "it did not take the connection in time"
            case .certificateRefused: "its certificate does not hold"
            case .tlsFailed: "TLS failed"
            case .wrongScheme: "the URL says another protocol than its port speaks"
            case .answerTimedOut: "it did not answer in time"
            case .connectionLost: "the connection was lost before the answer was complete"
            case .answerTooLarge: "its answer is larger than it may be, or its headers than 64 KiB"
            case .notHTTP: "its answer is not HTTP as it should be"
            case .requestInvalid: "the request cannot be sent"
            case .cancelled: "the request was cancelled"
            }
        return detail.isEmpty ? what : "\(what) (\(detail))"
    }

    /// The server was never spoken to: it knows nothing of this request.
    package var neverArrived: Bool {
        switch kind {
        case .nameNotResolved, .connectFailed, .connectTimedOut, .certificateRefused, .tlsFailed, .wrongScheme,
            .requestInvalid:
            true
        case .answerTimedOut, .connectionLost, .answerTooLarge, .notHTTP, .cancelled: false
        }
    }

    /// Whether the same request may go well the next time.
    package var isTransient: Bool {
        switch kind {
        case .nameNotResolved, .connectFailed, .connectTimedOut, .tlsFailed, .answerTimedOut, .connectionLost: true
        case .certificateRefused, .wrongScheme, .answerTooLarge, .notHTTP, .requestInvalid, .cancelled: false
        }
    }
}
