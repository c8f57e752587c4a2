import LianHTTP
import LianModel
import LianSystem

/// How a cloud's API is asked over HTTP. Each question has a limit in time.
struct CloudHTTP: Sendable {
    let endpoint: HTTPURL
    private let http: HTTPClient
    private let pin: PinnedKey?
    private let bodyLimit: Int

    private static let limit: Duration = .seconds(10)
    private static let connectLimit: Duration = .seconds(5)

    /// `pin` is the one key that the endpoint must show; nil where an authority vouches for it.
    init(_ endpoint: HTTPURL, pin: PinnedKey? = nil, bodyLimit: Int) throws(ProviderError) {
        self.endpoint = endpoint
        self.pin = pin
        self.bodyLimit = bodyLimit
        http = try asProviderError { try HTTPClient() }
    }

    /// Asks once. The target is already encoded.
    func ask(
        _ method: HTTPRequest.Method, _ target: String, authorization: String, body: JSONValue?
    ) throws(HTTPFailure) -> HTTPResponse {
        var request = HTTPRequest(method, endpoint, target)
        request.headers["Authorization"] = authorization
        if let body {
            request.headers["Content-Type"] = "application/json"
            request.body = body.encodedBytes()
        }
        request.pinnedKey = pin
        request.timeout = Self.limit
        request.connectTimeout = Self.connectLimit
        request.bodyLimit = bodyLimit
        request.needsFreshConnection = method != .get
        return try http.sendAndWait(request)
    }
}
