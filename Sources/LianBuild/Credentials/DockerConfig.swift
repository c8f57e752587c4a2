import FoundationEssentials
import LianModel
import LianRegistry
import LianSystem

/// The caller's Docker config and the credential helpers it names, asked only for the hosts that a build needs.
package struct DockerConfig: Sendable {
    private let auths: [String: JSONValue]
    private let helpers: [String: String]
    private let store: String?
    private let environment: [String: String]
    private let path: String

    private static let helperDeadline: Duration = .seconds(10)

    /// Reads `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; nil where there is none, or nothing in it.
    package static func load(environment: [String: String]) throws(LianError) -> DockerConfig? {
        // Docker takes an empty variable for one that is not set.
        func folder(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
        guard let folder = folder("DOCKER_CONFIG") ?? folder("HOME").map({ "\($0)/.docker" }) else { return nil }
        let path = "\(folder)/config.json"
        guard fileKind(path) != nil else { return nil }
        let json: JSONValue
        do {
            let bytes = try readFile(path, limit: 1 << 20)
            // Docker takes an empty file for none.
            if bytes.allSatisfy({ " \t\r\n".utf8.contains($0) }) { return nil }
            json = try JSONValue.parse(bytes)
        } catch {
            throw Self.unreadable(path, "\((error as? FileReadFailure)?.reason ?? "\(error)")")
        }
        return DockerConfig(json, path: path, environment: environment)
    }

    private init(_ json: JSONValue, path: String, environment: [String: String]) {
        auths = json["auths"]?.objectValue ?? [:]
        helpers = (json["credHelpers"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
        store = json["credsStore"]?.stringValue
        self.path = path
        self.environment = environment
    }

    /// The login for a host; nil where the config has none. As Docker does, it asks a helper first: the host's own,
    /// else the store. Where that one's name is empty, no helper is asked.
    package func login(host: String) async throws -> RegistryLogin? {
        let names = Self.names(host)
        if let helper = names.lazy.compactMap({ helpers[$0] }).first ?? store, !helper.isEmpty {
            for name in names {
                if let login = try await ask(helper, server: name) { return login }
            }
        }
        // Keys as Docker writes them come first, keys in another form after them.
        let others = auths.keys.filter { names.contains(Self.hostname(ofKey: $0)) }.sorted()
        for key in names + others {
            if let entry = auths[key], let login = try decode(entry, host) { return login }
        }
        return nil
    }

    /// The names under which a host may stand in the config.
    private static func names(_ host: String) -> [String] {
        host == "docker.io"
            ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io"] : [host, "https://\(host)"]
    }

    /// The host that a key of `auths` is about: it may be a whole URL.
    private static func hostname(ofKey key: String) -> String {
        let afterScheme = key.firstRange(of: "://").map { key[$0.upperBound...] } ?? key[...]
        return String(afterScheme.prefix { $0 != "/" })
    }

    private func decode(_ entry: JSONValue, _ host: String) throws -> RegistryLogin? {
        if let token = entry["identitytoken"]?.stringValue, !token.isEmpty { return .identityToken(token) }
        guard let encoded = entry["auth"]?.stringValue, !encoded.isEmpty else {
            guard let username = entry["username"]?.stringValue, !username.isEmpty,
                let password = entry["password"]?.stringValue
            else { return nil }
            return .basic(username: username, password: password)
        }
        guard let data = Data(base64Encoded: encoded), let text = String(validating: data, as: UTF8.self),
            let colon = text.firstIndex(of: ":")
        else {
            throw Self.unreadable(path, "the 'auth' of \(host) is not base64 of user:password")
        }
        return .basic(username: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
    }

    private func ask(_ helper: String, server: String) async throws -> RegistryLogin? {
        let name = "docker-credential-\(helper)"
        guard !helper.contains("/"), let executable = findExecutable(name, path: environment["PATH"]) else {
            throw LianError(
                .credentialMissing, .resolve, "\(path) names the credential helper \(name), which is not on PATH",
                hint: "Install \(name), or take '\(helper)' out of \(path).")
        }
        let result: SubprocessResult
        do {
            result = try await run(
                Command(executable, ["get"], environment: environment), input: .bytes(Array(server.utf8)),
                deadline: Self.helperDeadline, outputLimit: 1 << 20)
        } catch .cancelled {
            throw CancellationError()
        } catch {
            throw helperFailed(name, server, "\(error)")
        }
        guard result.termination.isSuccess else {
            // What helpers say of a host that they do not know is part of their protocol.
            if result.outputText.contains("credentials not found") { return nil }
            throw helperFailed(name, server, "\(result.termination)")
        }
        guard let answer = try? JSONValue.parse(result.output), let username = answer["Username"]?.stringValue,
            let secret = answer["Secret"]?.stringValue
        else {
            throw helperFailed(name, server, "its answer is not the JSON of a credential")
        }
        return username == "<token>" ? .identityToken(secret) : .basic(username: username, password: secret)
    }

    private func helperFailed(_ name: String, _ server: String, _ reason: String) -> LianError {
        LianError(
            .credentialMissing, .resolve, "\(name) gave no credential for \(server): \(reason)",
            hint: "echo \(server) | \(name) get should answer by itself.")
    }

    private static func unreadable(_ path: String, _ reason: String) -> LianError {
        LianError(
            .credentialMissing, .resolve, "the Docker config \(path) cannot be used: \(reason)",
            hint: "Mend the file, or point DOCKER_CONFIG at another folder.")
    }
}
