import LianConfiguration
import LianHTTP
import LianModel
import LianSystem

/// How the program was called. What it was asked to do is found out anew when the configuration has changed.
struct Invocation: Sendable {
    let arguments: [String]
    let environment: [String: String]

    func options() async throws(LianError) -> Options {
        let flags = try Options(arguments)
        guard let file = flags.config else { return flags }
        let path = try WorkingFolder.current.path(file)
        return try Options(arguments, configuredBy: try await configuration(path), in: parentFolder(path))
    }

    private func configuration(_ path: String) async throws(LianError) -> OrchestratorConfig {
        let file = DocumentFile(path, installation: Installation.locate(), environment: environment)
        let json: JSONValue
        do {
            json = try await file.read(.configuration)
        } catch let error as LianError {
            throw error
        } catch {
            throw LianError(.internalError, .resolve, "\(path) cannot be read: \(error)", hint: "Try again.")
        }
        do {
            return try OrchestratorConfig(JSONNode(json))
        } catch {
            throw LianError(
                .directivesInvalid, .resolve, "\(path): \(error)",
                hint:
                    "schemas/orchestrator_config.ncl says what each field may be; examples/orchestrator.ncl is a whole one."
            )
        }
    }
}

extension Options {
    /// What the server shows of itself; nil where it speaks plain HTTP.
    func identity(_ environment: [String: String]) async throws -> TLSIdentity? {
        guard let tls else { return nil }
        if case .file(let key) = tls.key { return try TLSIdentity.read(certificateFile: tls.certificate, keyFile: key) }
        let secrets = SecretReader(environment: environment, http: try HTTPClient())
        do {
            let key = try await secrets.value(at: tls.key, "the TLS key")
            return try TLSIdentity.read(certificateFile: tls.certificate, key: key)
        } catch let error as LianError {
            throw ProviderError("\(error.message): \(error.hint)")
        }
    }

    /// The tokens that open the API: those of the configuration, else the one token that may everything.
    func tokens(
        _ environment: [String: String], _ folder: borrowing StateFolder, _ log: EventLog
    ) throws -> [Token] {
        if let tokens {
            log.info("token", "clients need one of the \(tokens.count) tokens of \(config ?? "")", Self.fields(tokens))
            if environment["ORCHESTRATOR_TOKEN"] != nil {
                log.warning("token_unused", "ORCHESTRATOR_TOKEN is set and opens nothing: the configuration has tokens")
            }
            return try tokens.map(Token.init)
        }
        let (token, source) =
            try givenToken(environment)
            ?? Self.usable(try folder.ownToken(log: log), OrchestratorState.tokenFile(in: folder.path))
        log.info("token", "clients need the token of \(source)", ["source": .string(source)])
        return [.ofAll(token)]
    }

    /// The one token that may everything, where a file or the environment gives it, and which of them does.
    func givenToken(
        _ environment: [String: String]
    ) throws(ProviderError) -> (token: String, source: String)? {
        if let file = tokenFile { return try Self.usable(try StateFolder.token(in: file), file) }
        return try environment["ORCHESTRATOR_TOKEN"].map { (value) throws(ProviderError) in
            try Self.usable(value, "ORCHESTRATOR_TOKEN")
        }
    }

    private static func usable(
        _ token: String, _ source: String
    ) throws(ProviderError) -> (token: String, source: String) {
        if let problem = Tokens.problem(with: token) {
            throw ProviderError("the token of \(source) cannot be used: \(problem)")
        }
        return (token, source)
    }

    static func fields(_ tokens: [TokenConfig]) -> [String: JSONValue] { ["tokens": tokens.map(\.name).json] }
}
