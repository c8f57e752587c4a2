import Glibc
import LianHTTP
import LianModel
import LianSystem

/// Hetzner Cloud's API. No question is asked before the cloud takes questions again.
final class HCloudAPI: Sendable {
    private let http: CloudHTTP
    private let token: Guarded<String>
    /// From when on the cloud takes questions again; nil where it takes them now.
    private let opens = Guarded<ContinuousClock.Instant?>(nil)

    /// The most that the API gives on one page, and more pages than there can be servers.
    private static let pageSize = 50
    private static let pages = 1...200
    private static let bodyLimit = 8 << 20
    /// The reset that an answer names is when all questions of an hour are there again; the first comes back sooner.
    private static let longestPause: Duration = .seconds(10)

    init(_ endpoint: HTTPURL, token: [UInt8]) throws(ProviderError) {
        http = try CloudHTTP(endpoint, bodyLimit: Self.bodyLimit)
        self.token = Guarded(try Self.text(ofToken: token))
    }

    /// Goes on with another token.
    func renew(token: [UInt8]) throws(ProviderError) {
        self.token.set(try Self.text(ofToken: token))
        opens.set(nil)
    }

    private static func text(ofToken bytes: [UInt8]) throws(ProviderError) -> String {
        let text = String(decoding: bytes, as: UTF8.self).trimmingLineEnd()
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ProviderError("the cloud's token is not one line of letters and digits")
        }
        return text
    }

    /// Asks once. The values of the query are encoded here.
    func ask(
        _ method: HTTPRequest.Method = .get, _ path: String, _ query: [String: String] = [:], body: JSONValue? = nil
    ) throws(HCloudFailure) -> JSONValue {
        if let opens = opens.value, opens > .now { throw .limited(for: opens - .now) }
        let response: HTTPResponse
        do {
            response = try http.ask(method, path + urlQuery(query), authorization: "Bearer \(token.value)", body: body)
        } catch {
            throw HCloudFailure(error.neverArrived ? .unreachable : .unanswered, "\(http.endpoint): \(error)")
        }
        return try read(response)
    }

    private func read(_ response: HTTPResponse) throws(HCloudFailure) -> JSONValue {
        let json = try? JSONValue.parse(response.body)
        if (200...299).contains(response.status) {
            if let json { return json }
            if response.body.isEmpty { return .null }
            throw HCloudFailure(.unanswered, "\(http.endpoint): status \(response.status) without an answer in JSON")
        }
        if response.status == 429 {
            let reset = response.headers["ratelimit-reset"].flatMap { OutsideNumber.whole($0) } ?? 0
            let asked = max(.seconds(1), .seconds(reset - time(nil) + 1), response.retryAfter)
            // Machines cost money until they are destroyed: whoever answers so is asked again before long.
            let pause = min(asked, Self.longestPause)
            opens.set(.now + pause)
            throw .limited(for: pause)
        }
        let error = json?["error"]
        throw HCloudFailure(
            .refused(status: response.status, code: error?["code"]?.stringValue ?? ""),
            onOneLine(error?["message"]?.stringValue ?? "status \(response.status) without a reason"))
    }

    /// All of a list, which comes in pages. `name` is the list's in the answer.
    func list(_ name: String, _ query: [String: String] = [:]) throws(HCloudFailure) -> [JSONValue] {
        var items: [JSONValue] = []
        for page in Self.pages {
            let place = ["page": String(page), "per_page": String(Self.pageSize)]
            let answer = try ask(.get, "/\(name)", query.merging(place) { $1 })
            guard let more = answer[name]?.arrayValue else {
                throw HCloudFailure(.unanswered, "\(http.endpoint): the list '\(name)' is not one")
            }
            items += more
            if answer["meta"]?["pagination"]?["next_page"]?.intValue == nil { break }
        }
        return items
    }

    /// What the answer holds by that name; nil where there is no such thing.
    func find(_ name: String, at path: String) throws(HCloudFailure) -> JSONValue? {
        do {
            return try ask(.get, path)[name]
        } catch {
            if error.isUnknown { return nil }
            throw error
        }
    }
}

/// Why the cloud did not do what it was asked for.
struct HCloudFailure: CloudFailure {
    enum Kind: Equatable, Sendable {
        /// It has not heard of it.
        case unreachable
        /// It may have done it, or does it still.
        case unanswered
        case refused(status: Int, code: String)
        /// It takes no more questions for a while.
        case limited
        /// It has not what the configuration names.
        case lacking
    }

    let kind: Kind
    let pause: Duration
    private let words: String

    init(_ kind: Kind, _ words: String) {
        self.kind = kind
        self.words = words
        pause = .zero
    }

    private init(limitedFor pause: Duration) {
        kind = .limited
        words = "it takes no more questions of this project for \(pause.milliseconds / 1000 + 1) seconds"
        self.pause = pause
    }

    static func limited(for pause: Duration) -> HCloudFailure { HCloudFailure(limitedFor: pause) }

    var code: String { if case .refused(_, let code) = kind { code } else { "" } }
    private var status: Int { if case .refused(let status, _) = kind { status } else { 0 } }

    var isUnknown: Bool { status == 404 }
    /// It may have been done all the same.
    var isUnclear: Bool { kind == .unanswered || status >= 500 && status != 503 }
    var isNameTaken: Bool { code == "uniqueness_error" }
    var isNoRoom: Bool { ["resource_unavailable", "placement_error", "resource_limit_exceeded"].contains(code) }

    var mayPass: Bool {
        switch kind {
        case .unreachable, .unanswered, .limited: true
        case .lacking: false
        case .refused(let status, let code):
            !isNoRoom && (status >= 500 || status == 423 || ["locked", "conflict"].contains(code))
        }
    }

    var description: String {
        switch status {
        case 401:
            "it refuses the token: make one for the project, with read and write access, put it where 'token' says, and "
                + "send SIGHUP"
        case 403 where !isNoRoom: "the token may not do that: make one with read and write access (\(words))"
        default: code.isEmpty ? words : "\(words) (\(code))"
        }
    }
}
