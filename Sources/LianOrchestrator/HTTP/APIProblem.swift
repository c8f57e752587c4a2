import LianModel

/// A refusal in the form that the API prescribes.
struct APIProblem: Error {
    let status: Int
    let code: String
    let message: String
    var headers: [String: String]

    init(_ status: Int, _ code: String, _ message: String, headers: [String: String] = [:]) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
    }

    var response: OutgoingResponse {
        OutgoingResponse(status: status, body: ApiResponse.failure(code: code, message: message), headers: headers)
    }

    /// Whether the log tells of it: who asked for what is not his, or more than there is. What was not found is among
    /// it, since what is hidden is answered so, and as fast.
    var isRefusal: Bool { [401, 403, 404, 429].contains(status) }

    static let unauthorizedCode = "unauthorized"
    static let tooManyFailuresCode = "too_many_failures"

    static func unauthorized(_ message: String) -> APIProblem {
        APIProblem(401, unauthorizedCode, message, headers: ["WWW-Authenticate": "Bearer"])
    }

    static func forbidden(_ message: String) -> APIProblem { APIProblem(403, "forbidden", message) }

    static func invalid(_ message: String) -> APIProblem { APIProblem(400, "invalid_request", message) }

    static func noRunner(_ id: String) -> APIProblem {
        APIProblem(404, "not_found", "there is no runner '\(id)'; it may have been destroyed")
    }

    static let noBuild = APIProblem(404, "not_found", "nothing is known of such a build")

    static func gone(_ id: String, _ reason: String) -> APIProblem {
        APIProblem(410, "gone", "runner '\(id)' is gone: \(reason)")
    }

    static let bodyTooLarge = APIProblem(
        413, "payload_too_large", "the body may have \(HTTPServer.bodyLimit) bytes at most")

    /// For a request or an answer that is not small, while others use up the memory for them.
    static let noRoom = APIProblem(
        503, "unavailable", "the orchestrator has too much to read and to send at once; try again",
        headers: ["Retry-After": "1"])
}
