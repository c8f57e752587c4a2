import LianModel

package struct IncomingRequest: Sendable {
    package var method: String
    /// The request's target as it was sent: still percent-encoded and with its query.
    package var target: String
    package var authorization: String?
    package var idempotencyKey: String?
    package var ifNoneMatch: String?
    package var body: [UInt8]
    /// Why the body was not kept; `body` is empty then.
    package var bodyProblem: BodyProblem?

    package enum BodyProblem: Sendable {
        /// The body is longer than the server accepts.
        case tooLarge
        /// There is no room, because the bodies and answers of others take it.
        case noRoom
    }

    package init(
        method: String, target: String, authorization: String? = nil, idempotencyKey: String? = nil,
        ifNoneMatch: String? = nil, body: [UInt8] = [], bodyProblem: BodyProblem? = nil
    ) {
        self.method = method
        self.target = target
        self.authorization = authorization
        self.idempotencyKey = idempotencyKey
        self.ifNoneMatch = ifNoneMatch
        self.body = body
        self.bodyProblem = bodyProblem
    }
}

package struct OutgoingResponse: Sendable {
    package var status: Int
    package var headers: [String: String]
    package var body: [UInt8]

    package init(status: Int, contentType: String, body: [UInt8], headers: [String: String] = [:]) {
        self.status = status
        self.headers = headers.merging(["Content-Type": contentType]) { $1 }
        self.body = body
    }

    package init(status: Int, body: JSONValue, headers: [String: String] = [:]) {
        self.init(status: status, contentType: "application/json", body: body.encodedBytes(), headers: headers)
    }
}

/// A request's target, split into its parts and decoded.
struct RequestTarget: Equatable {
    var path: [String]
    var query: [(name: String, value: String)]

    /// nil where a percent escape is broken or does not decode to text.
    init?(_ target: String) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let pathText = parts[0]
        guard pathText.hasPrefix("/") else { return nil }
        path = []
        for segment in pathText.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let segment = percentDecoded(segment) else { return nil }
            path.append(segment)
        }
        query = []
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(sides[0]), let value = percentDecoded(sides.count == 2 ? sides[1] : "")
            else { return nil }
            query.append((name, value))
        }
    }

    static func == (left: RequestTarget, right: RequestTarget) -> Bool {
        left.path == right.path && left.query.elementsEqual(right.query, by: ==)
    }
}
