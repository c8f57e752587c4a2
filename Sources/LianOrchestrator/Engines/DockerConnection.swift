import LianModel
import LianSystem

/// How Docker's client reaches a daemon, as variables of its environment. Looking for the daemon and the runners' use
/// of it go the same way.
struct DockerConnection: Equatable, Sendable {
    let host: String
    let environment: [String: String]

    /// The variables besides the host that decide whether a daemon is reached. Runners get nothing else of the
    /// orchestrator's environment: its Docker configuration holds logins of its own.
    static let settings = ["DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"]

    init(host: String) {
        self.host = host
        environment = ["DOCKER_HOST": host]
    }

    /// The connection to the daemon of the user's own client: that of DOCKER_HOST, else that of the Docker context.
    init(ofUserWith environment: [String: String], client: DockerClient) throws(ProviderError) {
        // Clients differ in whether an empty variable counts as set, so empty ones are dropped.
        let given = environment.filter { !$0.value.isEmpty }
        let host: String
        if let named = given["DOCKER_HOST"] { host = named } else { host = try client.contextHost(environment: given) }
        var own = given.filter { Self.settings.contains($0.key) }
        if own["DOCKER_TLS"] != nil || own["DOCKER_TLS_VERIFY"] != nil, own["DOCKER_CERT_PATH"] == nil {
            // By default the client looks for the keys in the home folder, which is another one on the runner.
            own["DOCKER_CERT_PATH"] = given["DOCKER_CONFIG"] ?? given["HOME"].map { "\($0)/.docker" }
        }
        own["DOCKER_HOST"] = host
        for (name, value) in own where !value.utf8.allSatisfy(Self.isTellable) {
            throw ProviderError("\(name) holds a quote, a backslash or a control character, which sshd cannot pass on")
        }
        self.host = host
        self.environment = own
    }

    /// Whether the byte can stand between quotes in sshd's configuration.
    private static func isTellable(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
