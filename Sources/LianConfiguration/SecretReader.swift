import LianHTTP
import LianModel
import LianSystem

/// Reads secret values from where directives and flags say that they are. No message repeats what it reads.
package struct SecretReader: Sendable {
    let environment: [String: String]
    let http: HTTPClient

    /// What BuildKit takes as one secret.
    private static let sizeLimit = 500 << 10
    private static let vaultDeadline: Duration = .seconds(10)

    package init(environment: [String: String], http: HTTPClient) {
        self.environment = environment
        self.http = http
    }

    /// `what` names the secret for a person: "the secret npm", "the registry's credential".
    package func value(at source: SecretSource, _ what: String) async throws -> [UInt8] {
        switch source {
        case .environment(let name):
            guard let value = environment[name], !value.isEmpty else {
                throw Self.missing(
                    what, "the variable \(name) is not set, or is not text",
                    hint: "Set \(name) where lian-build runs, to UTF-8 text. What is not text is given as a file.")
            }
            return Array(value.utf8)
        case .file(let path):
            return try Self.bytes(ofFile: path, what)
        case .vault(let path):
            return try await vaultValue(path, what)
        }
    }

    /// A value that is one line, without the line break that editors leave at a file's end.
    package func line(at source: SecretSource, _ what: String) async throws -> String {
        try Self.line(of: try await value(at: source, what), what)
    }

    /// Such a line from a file, for which no vault is needed.
    package static func line(ofFile path: String, _ what: String) throws(LianError) -> String {
        try line(of: try bytes(ofFile: path, what), what)
    }

    private static func bytes(ofFile path: String, _ what: String) throws(LianError) -> [UInt8] {
        do {
            return try readFile(path, limit: sizeLimit)
        } catch {
            throw missing(what, "\(path): \(error.reason)", hint: "Make the file readable to lian-build.")
        }
    }

    private static func line(of bytes: [UInt8], _ what: String) throws(LianError) -> String {
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw missing(what, "its value is not text", hint: "Store it as UTF-8 text.")
        }
        while let last = text.unicodeScalars.last, last == "\n" || last == "\r" { text.unicodeScalars.removeLast() }
        return text
    }

    private func vaultValue(_ path: VaultPath, _ what: String) async throws -> [UInt8] {
        guard let address = environment["VAULT_ADDR"], !address.isEmpty else {
            throw Self.unavailable(
                "\(what) is in a vault, and VAULT_ADDR is not set", hint: "Set VAULT_ADDR and VAULT_TOKEN.")
        }
        let server: HTTPURL
        do {
            server = try HTTPURL(address)
        } catch {
            throw Self.unavailable("VAULT_ADDR \(error.rule)", hint: "An example is https://vault.example:8200.")
        }
        var request = HTTPRequest(.get, server, "/v1/\(path.mount)/data/\(path.path)")
        request.headers["X-Vault-Token"] = try vaultToken(what)
        request.headers["X-Vault-Request"] = "true"
        if let namespace = environment["VAULT_NAMESPACE"], !namespace.isEmpty {
            request.headers["X-Vault-Namespace"] = namespace
        }
        request.timeout = Self.vaultDeadline
        let response: HTTPResponse
        do {
            response = try await http.send(request)
        } catch {
            if error.kind == .cancelled { throw CancellationError() }
            throw Self.unavailable(
                "the vault at \(server.origin) gave no answer: \(error)", hint: "Is it up and unsealed?")
        }
        guard response.status == 200 else {
            let hint =
                switch response.status {
                case 403: "The token may not read \(path.mount)/\(path.path)."
                case 404: "There is no secret at \(path.mount)/\(path.path) of a key-value store of version 2."
                default: "The vault's own log says more."
                }
            throw Self.missing(what, "the vault at \(server.origin) answered \(response.status)", hint: hint)
        }
        guard let answer = try? JSONValue.parse(response.body),
            let value = answer["data"]?["data"]?[path.field]?.stringValue
        else {
            throw Self.missing(
                what, "the vault's \(path.mount)/\(path.path) has no text field \(path.field)",
                hint: "Name a field that is there, after the '#'.")
        }
        return Array(value.utf8)
    }

    private func vaultToken(_ what: String) throws(LianError) -> String {
        var token = environment["VAULT_TOKEN"] ?? ""
        if token.isEmpty, let home = environment["HOME"], !home.isEmpty,
            let bytes = try? readFile("\(home)/.vault-token", limit: 4096)
        {
            token = String(decoding: bytes, as: UTF8.self)
        }
        token = String(token.drop(while: \.isWhitespace).prefix { !$0.isWhitespace })
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Self.unavailable(
                "\(what) is in a vault, and there is no token for it",
                hint: "Set VAULT_TOKEN, or log in with vault login.")
        }
        return token
    }

    private static func missing(_ what: String, _ reason: String, hint: String) -> LianError {
        LianError(.credentialMissing, .resolve, "\(what) cannot be read: \(reason)", hint: hint)
    }

    private static func unavailable(_ message: String, hint: String) -> LianError {
        LianError(.vaultUnavailable, .resolve, message, hint: hint)
    }
}
