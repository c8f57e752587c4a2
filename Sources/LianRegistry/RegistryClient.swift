import LianHTTP
import LianModel
import LianSystem

/// A registry's manifests over its HTTP API, as the OCI distribution specification describes it: with basic
/// authentication or tokens, each shown to whom it is for and to nobody else.
package final class RegistryClient: Sendable {
    let server: HTTPURL
    private let login: RegistryLogin?
    private let http: HTTPClient
    /// What is shown for each repository, once the registry has said what it wants.
    private let authorizations = Guarded<[String: String]>([:])

    private static let redirects = 3

    /// A registry that is not insecure is spoken to by https; on this machine, as engines do, by whatever it speaks.
    /// Nil for what is no host.
    package init?(host: String, isInsecure: Bool, login: RegistryLogin?, http: HTTPClient) async {
        let name = host == "docker.io" ? "registry-1.docker.io" : host
        guard let secure = try? HTTPURL("https://\(name)") else { return nil }
        let plain = secure.withOtherScheme
        let isSecure = plain.isLoopback && !isInsecure ? await http.speaksOtherScheme(than: plain) : !isInsecure
        server = isSecure ? secure : plain
        self.login = login
        self.http = http
    }

    /// What no message shows, the tokens that were given among it.
    private var mask: SecretMask {
        let shown = authorizations.value.values.compactMap { $0.split(separator: " ").last.map(String.init) }
        return SecretMask((login?.secrets ?? []) + shown)
    }

    /// The manifest that has this tag or digest.
    package func manifest(_ repository: String, _ reference: String) async throws(RegistryFailure) -> ImageManifest {
        let headers = ["Accept": ImageManifest.types.joined(separator: ", ")]
        let response = try await answer(.get, repository, reference, headers: headers)
        guard response.status == 200 else { throw RegistryFailure(server, response, hiding: mask) }
        let type = response.headers["content-type"]?.prefix { $0 != ";" && $0 != " " }.lowercased()
        guard let manifest = ImageManifest(answered: type, bytes: response.body) else {
            throw RegistryFailure("\(server.origin) has no manifest of an image at \(repository):\(reference)")
        }
        guard !ImageReference.isDigest(reference) || manifest.digest == reference else {
            throw RegistryFailure("\(server.origin) answered another manifest than \(reference)")
        }
        return manifest
    }

    /// Pushes the manifest under a tag or its digest. What it names must be there.
    package func push(
        _ manifest: ImageManifest, _ repository: String, as reference: String
    ) async throws(RegistryFailure) {
        let response = try await answer(
            .put, repository, reference, headers: ["Content-Type": manifest.mediaType], body: manifest.bytes)
        guard response.status == 201 else { throw RegistryFailure(server, response, hiding: mask) }
        if let kept = response.headers["docker-content-digest"], kept != manifest.digest {
            throw RegistryFailure("\(server.origin) keeps another manifest than \(manifest.digest), which was pushed")
        }
    }

    private func answer(
        _ method: HTTPRequest.Method, _ repository: String, _ reference: String, headers: [String: String],
        body: [UInt8] = []
    ) async throws(RegistryFailure) -> HTTPResponse {
        let isOfficial = server.host == "registry-1.docker.io" && !repository.contains("/")
        let path = isOfficial ? "library/\(repository)" : repository
        var request = HTTPRequest(
            method, server, "/v2/\(path)/manifests/\(reference)", headers: headers, body: body)
        request.headers["Authorization"] = authorizations.value[path]
        let response = try await send(request)
        guard response.status == 401 else { return try await followed(response, request) }
        // A token may have run out meanwhile, so what was shown before is no reason not to ask again.
        guard let challenge = response.headers[HTTPResponse.challenges].flatMap(AuthChallenge.init),
            let authorization = try await authorization(challenge, path)
        else { return response }
        authorizations.update { $0[path] = authorization }
        request.headers["Authorization"] = authorization
        return try await followed(try await send(request), request)
    }

    private func send(_ request: HTTPRequest) async throws(RegistryFailure) -> HTTPResponse {
        do {
            return try await http.send(request)
        } catch {
            throw RegistryFailure(request.server, error)
        }
    }

    /// What is only read may lie elsewhere: there it is asked for without what was shown here.
    private func followed(
        _ response: HTTPResponse, _ request: HTTPRequest
    ) async throws(RegistryFailure) -> HTTPResponse {
        var response = response
        var request = request
        for _ in 0..<Self.redirects {
            guard request.method == .get, [301, 302, 303, 307, 308].contains(response.status),
                let location = response.headers["location"]
            else { return response }
            guard let (target, query) = Self.place(location, seenFrom: request.server),
                target.scheme == .https || target.origin == server.origin
            else { throw RegistryFailure("\(server.origin) points elsewhere, and not by https") }
            if target.origin != request.server.origin { request.headers["Authorization"] = nil }
            request.server = target
            request.target = query
            response = try await send(request)
        }
        return response
    }

    /// Where a server says to go on, and the query to go there with; nil for what is no address.
    static func place(_ text: String, seenFrom here: HTTPURL) -> (server: HTTPURL, query: String)? {
        let whole =
            text.hasPrefix("//")
            ? "\(here.scheme.rawValue):\(text)" : text.hasPrefix("/") ? here.origin + text : text
        let address = whole.prefix { $0 != "?" }
        let query = whole[address.endIndex...]
        guard query.utf8.allSatisfy(Identifier.isVisible), let server = try? HTTPURL(String(address)) else {
            return nil
        }
        return (server, String(query))
    }

    // MARK: - Who asks

    /// Nil where there is nothing to show.
    private func authorization(
        _ challenge: AuthChallenge, _ repository: String
    ) async throws(RegistryFailure) -> String? {
        switch challenge {
        case .basic: return basic
        case .bearer(let realm, let service, let scope):
            guard let (authority, query) = Self.place(realm, seenFrom: server), mayBeShownTheLogin(authority) else {
                throw RegistryFailure("\(server.origin) names no server for tokens that can be used")
            }
            let request = tokenRequest(
                authority, query, service, scope ?? "repository:\(repository):pull,push")
            let response = try await send(request)
            guard response.status == 200 else { throw RegistryFailure(authority, response, hiding: mask) }
            let answer = try? JSONValue.parse(response.body)
            let given = [answer?["token"], answer?["access_token"]].compactMap { $0?.stringValue }
            guard let token = given.first(where: Self.isToken) else {
                throw RegistryFailure("\(authority.origin) gave no token")
            }
            return "Bearer \(token)"
        }
    }

    /// No password goes in clear from where it did not: not to another machine from a registry on this one, and nowhere
    /// from one that is spoken to by https.
    private func mayBeShownTheLogin(_ authority: HTTPURL) -> Bool {
        authority.scheme == .https || server.scheme == .http && (authority.isLoopback || !server.isLoopback)
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(Identifier.isVisible)
    }

    private var basic: String? {
        guard case .basic(let username, let password)? = login else { return nil }
        return "Basic \(RegistryLogin.auth(username, password))"
    }

    private func tokenRequest(
        _ authority: HTTPURL, _ query: String, _ service: String?, _ scope: String
    ) -> HTTPRequest {
        var fields = [("scope", scope)]
        if let service { fields.insert(("service", service), at: 0) }
        func form(_ fields: [(String, String)]) -> String {
            fields.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
        }
        if case .identityToken(let token)? = login {
            let all =
                fields + [
                    ("grant_type", "refresh_token"), ("client_id", "lian-build"), ("refresh_token", token),
                ]
            return HTTPRequest(
                .post, authority, query, headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: Array(form(all).utf8))
        }
        var request = HTTPRequest(.get, authority, (query.isEmpty ? "?" : "\(query)&") + form(fields))
        request.headers["Authorization"] = basic
        return request
    }
}
