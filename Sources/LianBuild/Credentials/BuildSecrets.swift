import LianBuildKit
import LianChannel
import LianConfiguration
import LianHTTP
import LianModel
import LianRegistry
import LianRemote
import LianSSH
import LianSystem

/// All secret values of a build, read before anything is spawned: what is missing is said while it costs nothing.
package struct BuildSecrets: Sendable {
    private let values: [SecretSource: [UInt8]]
    private let agents: [SSHForward.Place: any ForwardedAgent]
    private let dockerConfig: [UInt8]?
    /// By registry.
    let registryLogins: [String: RegistryLogin]
    /// What leads buildctl to the cache of GitHub Actions; empty where none is asked for.
    private let actionsCache: [String: String]
    /// Removes every secret value from what a build prints.
    package let mask: SecretMask
    /// One for each credential that only reading needs and that could not be had.
    package let warnings: [BuildWarning]

    /// The name under which Docker and BuildKit look for registry logins in DOCKER_CONFIG.
    private static let configName = "config.json"

    /// The secret files of one artifact's run.
    package func files(of artifact: ArtifactRequest) -> [SecretFile] {
        let files = artifact.secrets.map { secret in
            SecretFile(name: BuildctlCommand.secretFile(secret.id), bytes: values[secret.source] ?? [])
        }
        let dockerfile = artifact.givenDockerfile.map {
            SecretFile(name: BuildctlCommand.givenDockerfile, bytes: $0)
        }
        return files + logins + [dockerfile].compactMap { $0 }
    }

    /// In the artifact's order.
    func agents(of artifact: ArtifactRequest) -> [any ForwardedAgent] {
        artifact.agents.compactMap { agents[$0.place] }
    }

    /// The secret files of a run that only fetches; empty where there are no logins.
    package var logins: [SecretFile] {
        dockerConfig.map { [SecretFile(name: Self.configName, bytes: $0)] } ?? []
    }

    /// The variables that lead a build's buildctl to its logins and its caches.
    func buildEnvironment(run folder: String) -> [String: String] {
        environment(run: folder).merging(actionsCache) { $1 }
    }

    /// The variables that lead buildctl to its logins.
    package func environment(run folder: String) -> [String: String] {
        guard dockerConfig != nil else { return [:] }
        let path = RunRequest.secretPath(folder: folder, name: Self.configName)
        return ["DOCKER_CONFIG": parentFolder(path)]
    }
}

extension BuildSecrets {
    package static func read(
        _ request: BuildRequest, environment: [String: String], http: HTTPClient
    ) async throws -> BuildSecrets {
        let reader = SecretReader(environment: environment, http: http)
        var values: [SecretSource: [UInt8]] = [:]
        for artifact in request.artifacts {
            for secret in artifact.secrets where values[secret.source] == nil {
                values[secret.source] = try await reader.value(at: secret.source, "the secret \(secret.id)")
            }
        }
        let agents = try await agents(request, environment)
        let logins = try await registryLogins(request, reader: reader, environment: environment)
        var config: [UInt8]?
        if !logins.found.isEmpty {
            let auths = logins.found.map {
                ($0.key == "docker.io" ? "https://index.docker.io/v1/" : $0.key, $0.value.json)
            }
            config =
                JSONValue.object(["auths": .object(Dictionary(auths, uniquingKeysWith: { first, _ in first }))])
                .encodedBytes()
        }
        let shown = logins.found.values.flatMap { login in login.secrets.map { Array($0.utf8) } }
        let actionsCache = try actionsCache(request, environment)
        let token = actionsCache[Self.actionsToken].map { [Array($0.utf8)] } ?? []
        return BuildSecrets(
            values: values, agents: agents, dockerConfig: config, registryLogins: logins.found,
            actionsCache: actionsCache, mask: SecretMask(Array(values.values) + shown + token),
            warnings: logins.warnings)
    }

    /// Each is tried: one that cannot work is told while it costs nothing.
    private static func agents(
        _ request: BuildRequest, _ environment: [String: String]
    ) async throws -> [SSHForward.Place: any ForwardedAgent] {
        var agents: [SSHForward.Place: any ForwardedAgent] = [:]
        for forward in request.artifacts.flatMap(\.agents) where agents[forward.place] == nil {
            switch forward.place {
            case .environment:
                guard let path = environment["SSH_AUTH_SOCK"], !path.isEmpty else {
                    throw LianError(
                        .credentialMissing, .resolve,
                        "--ssh \(forward.id) is the agent at SSH_AUTH_SOCK, which is not set",
                        hint: "Start one: eval \"$(ssh-agent)\" && ssh-add; or name a key: --ssh \(forward.id)=FILE")
                }
                agents[forward.place] = try await SocketAgent.open(path)
            case .socket(let path): agents[forward.place] = try await SocketAgent.open(path)
            case .key(let path): agents[forward.place] = try KeyAgent(path: path)
            }
        }
        return agents
    }

    private static func registryLogins(
        _ request: BuildRequest, reader: SecretReader, environment: [String: String]
    ) async throws -> (found: [String: RegistryLogin], warnings: [BuildWarning]) {
        var found: [String: RegistryLogin] = [:]
        var warnings: [BuildWarning] = []
        if let credential = request.registry.credential, let endpoint = request.registry.endpoint {
            found[endpoint] = try await login(credential, reader)
        }
        let hosts = registryHosts(request)
        guard let config = try DockerConfig.load(environment: environment) else { return (found, warnings) }
        for host in hosts.written.union(hosts.read).sorted() where found[host] == nil {
            do {
                found[host] = try await config.login(host: host)
            } catch let error as LianError where !hosts.written.contains(host) {
                // Much of what is only read is public; the build will tell whether this is.
                warnings.append(BuildWarning(.credentialUnavailable, "\(host): \(error.message)"))
            }
        }
        return (found, warnings)
    }

    private static let actionsToken = "ACTIONS_RUNTIME_TOKEN"
    /// One of these says where the cache is.
    private static let actionsServers = ["ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"]

    /// GitHub gives its cache's address and token to actions, and not to the steps beside them.
    private static func actionsCache(
        _ request: BuildRequest, _ environment: [String: String]
    ) throws(LianError) -> [String: String] {
        guard request.artifacts.contains(where: { ($0.cacheFrom + $0.cacheTo).contains { $0.kind == .gha } }) else {
            return [:]
        }
        let found = environment.filter {
            ([actionsToken, "ACTIONS_CACHE_SERVICE_V2"] + actionsServers).contains($0.key) && !$0.value.isEmpty
        }
        let missing =
            found[actionsToken] == nil
            ? actionsToken
            : actionsServers.contains { found[$0] != nil } ? nil : actionsServers.joined(separator: " or ")
        if let missing {
            throw LianError(
                .credentialMissing, .resolve, "the cache type=gha needs \(missing), which is not set",
                hint: "In GitHub Actions, the action crazy-max/ghaction-github-runtime sets it for the steps behind it."
            )
        }
        return found
    }

    private static func login(_ credential: RegistryCredential, _ reader: SecretReader) async throws -> RegistryLogin {
        let value = try await reader.line(at: credential.source, "the registry's credential")
        if let username = credential.username { return .basic(username: username, password: value) }
        guard let colon = value.firstIndex(of: ":") else {
            throw LianError(
                .credentialMissing, .resolve,
                "the registry's credential is not USER:PASSWORD, and no username is written",
                hint: "Write registry.credential.username beside it, or store both as USER:PASSWORD.")
        }
        return .basic(username: String(value[..<colon]), password: String(value[value.index(after: colon)...]))
    }

    /// The registries that this build talks to, and no others: those it pushes to, and those it only reads.
    static func registryHosts(_ request: BuildRequest) -> (written: Set<String>, read: Set<String>) {
        var written: Set<String> = []
        var read: Set<String> = []
        for artifact in request.artifacts {
            if artifact.outputs.pushes { written.formUnion(artifact.names.map(\.host)) }
            written.formUnion(artifact.cacheTo.compactMap(\.reference).map(BuildctlCommand.cacheHost))
            read.formUnion(artifact.cacheFrom.compactMap(\.reference).map(BuildctlCommand.cacheHost))
            for case .image(let reference) in artifact.extraContexts.values { read.insert(reference.host) }
            let images = artifact.dockerfileImages?.all ?? []
            read.formUnion(images.map { registryHost(ofImage: $0.reference) })
        }
        return (written, read.subtracting(written))
    }
}
