import LianHTTP
import LianModel
import LianSystem

/// The API of a Cloacina server, as far as packages need it.
struct WorkflowServer: Sendable {
    private let choice: ServerChoice
    private let client: HTTPClient
    private let mask: SecretMask

    /// The whole command has a limit; a request has none of its own but for connecting.
    private static let requestTimeout: Duration = .seconds(86_400)
    private static let connectTries = 3
    private static let pause: Duration = .milliseconds(300)

    init(_ choice: ServerChoice) throws(CloacinaError) {
        self.choice = choice
        mask = SecretMask([choice.apiKey])
        do throws(SystemError) { client = try HTTPClient() } catch {
            throw CloacinaError(
                .internalError, .server, "there is no HTTP: \(error)", hint: "Look for what the machine is short of.")
        }
    }

    /// Returns the package's id.
    func upload(_ archive: [UInt8], named name: String) async throws(CloacinaError) -> String {
        let form = MultipartForm(file: archive, named: name)
        let answer = try await send(.post, "", body: form.body, contentType: form.contentType)
        guard let value = try? JSONValue.parse(masked(answer)),
            let id = value["package_id"]?.stringValue ?? value["id"]?.stringValue, !id.isEmpty
        else {
            throw failure(.serverAnswerInvalid, "took the package and answered without an id", answer)
        }
        return id
    }

    func package(_ id: String) async throws(CloacinaError) -> JSONValue {
        let answer = try await send(.get, "/\(percentEncoded(id))", body: [], contentType: nil)
        guard let value = try? JSONValue.parse(masked(answer)) else {
            throw failure(.serverAnswerInvalid, "answered with something that is no JSON", answer)
        }
        return value
    }

    private func send(
        _ method: HTTPRequest.Method, _ target: String, body: [UInt8], contentType: String?
    ) async throws(CloacinaError) -> HTTPResponse {
        var headers = ["Authorization": "Bearer \(choice.apiKey)", "Accept": "application/json"]
        headers["Content-Type"] = contentType
        var request = HTTPRequest(
            method, choice.url, "/v1/tenants/\(percentEncoded(choice.tenant))/workflows\(target)", headers: headers,
            body: body)
        request.timeout = Self.requestTimeout
        request.needsFreshConnection = true
        var tries = 0
        while true {
            tries += 1
            let answer: HTTPResponse
            do throws(HTTPFailure) { answer = try await client.send(request) } catch {
                // Only a request of which nothing was sent is sent again.
                if tries < Self.connectTries,
                    [.nameNotResolved, .connectFailed, .connectTimedOut].contains(error.kind),
                    (try? await Task.sleep(for: Self.pause)) != nil
                {
                    continue
                }
                let code: CloacinaCode =
                    switch error.kind {
                    case .answerTooLarge, .notHTTP: .serverAnswerInvalid
                    default: .serverUnreachable
                    }
                throw CloacinaError(
                    code, .server, "\(choice.url): \(error)",
                    hint: "Look whether the server is up, and its address right.")
            }
            try check(answer)
            return answer
        }
    }

    /// What is told of an answer does not tell the key that it may repeat.
    private func masked(_ answer: HTTPResponse) -> [UInt8] { Array(mask.masked(answer.body[...])) }

    private func check(_ answer: HTTPResponse) throws(CloacinaError) {
        switch answer.status {
        case 200..<300: return
        case 300..<400: throw failure(.serverRedirect, "sends elsewhere, where nothing is sent to", answer)
        case 401, 403: throw failure(.authRefused, "does not allow this", answer)
        case 404: throw failure(.notFound, "does not know this tenant or package", answer)
        case 413: throw failure(.archiveTooLargeForServer, "does not take an archive of this size", answer)
        case 429, 500...: throw failure(.serverFailed, "failed", answer)
        default: throw failure(.uploadRefused, "refused this", answer)
        }
    }

    private func failure(_ code: CloacinaCode, _ what: String, _ answer: HTTPResponse) -> CloacinaError {
        let value = try? JSONValue.parse(masked(answer))
        let theirCode = value?["code"]?.stringValue
        let theirs = [theirCode, value?["error"]?.stringValue, answer.headers["x-request-id"].map { "request \($0)" }]
            .compactMap { $0 }.map { onOneLine($0, hiding: mask) }
        let details = theirs.isEmpty ? "" : ": \(theirs.joined(separator: ", "))"
        let isUnsigned = answer.status == 403 && theirCode == "signature_not_found"
        let hint =
            isUnsigned
            ? "Servers look for signatures in their own database: have the archive and its .sig registered there first."
            : Self.hints[code] ?? "Ask who runs the server; the request's id finds it in the log."
        return CloacinaError(code, .server, "\(choice.url) \(what) (HTTP \(answer.status))\(details)", hint: hint)
    }

    private static let hints: [CloacinaCode: String] = [
        .authRefused: "Check the key, and whether it is for this tenant.",
        .notFound: "Check the server's address, the tenant and the id.",
        .serverRedirect: "Name the address that it sends to by --server, if you trust it.",
        .archiveTooLargeForServer: "Leave out what the package does not need.",
        .serverFailed: "Try again later.",
    ]
}

/// One file in a body of multipart/form-data.
struct MultipartForm {
    private let boundary: String
    let body: [UInt8]

    init(file: [UInt8], named name: String) {
        // Of the file's own hash: no file holds the hash of itself, whoever made it.
        boundary = hexadecimal(SHA256.of(file).prefix(16))
        let quoted = name.map { character in
            switch character {
            case "\"": "%22"
            case "\r": "%0D"
            case "\n", "\r\n": "%0A"
            default: String(character)
            }
        }.joined()
        let head =
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(quoted)\"\r\n"
            + "Content-Type: application/octet-stream\r\n\r\n"
        body = Array(head.utf8) + file + Array("\r\n--\(boundary)--\r\n".utf8)
    }

    var contentType: String { "multipart/form-data; boundary=\(boundary)" }
}
