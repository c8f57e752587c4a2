import LianModel
import LianSystem

/// How Docker's client gets to a daemon, as its environment tells it: the same when the daemon is looked for and when
/// runners use it.
struct DockerConnection: Equatable, Sendable {
    let host: String
    let environment: [String: String]

    /// What beside the host decides whether a daemon is reached. Runners get these and nothing else of the
    /// orchestrator's environment: its Docker configuration holds its own logins.
    static let settings = ["DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"]

    init(host: String) {
        self.host = host
        environment = ["DOCKER_HOST": host]
    }

    /// To the daemon that the user's own client speaks to: that of DOCKER_HOST, else that of the context.
    init(ofUserWith environment: [String: String], client: DockerClient) throws(ProviderError) {
        // Set and empty is unset to some clients, and to others not.
        let given = environment.filter { !$0.value.isEmpty }
        let host: String
        if let named = given["DOCKER_HOST"] { host = named } else { host = try client.contextHost(environment: given) }
        var own = given.filter { Self.settings.contains($0.key) }
        if own["DOCKER_TLS"] != nil || own["DOCKER_TLS_VERIFY"] != nil, own["DOCKER_CERT_PATH"] == nil {
            // Where the client looks for the keys by itself, in a home that is not the runner's.
            own["DOCKER_CERT_PATH"] = given["DOCKER_CONFIG"] ?? given["HOME"].map { "\($0)/.docker" }
        }
        own["DOCKER_HOST"] = host
        for (name, value) in own where !value.utf8.allSatisfy(Self.isTellable) {
            throw ProviderError("\(name) holds a quote, a backslash or a control character, which sshd cannot pass on")
        }
        self.host = host
        self.environment = own
    }

    /// In quotes in sshd's configuration.
    private static func isTellable(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
