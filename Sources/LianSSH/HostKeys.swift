import LianModel

package struct SSHEndpoint: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int
    package let user: String

    package init(host: String, port: Int, user: String) {
        self.host = host
        self.port = port
        self.user = user
    }

    /// host:port, an IPv6 address in brackets.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Which host keys are trusted, and why. Nothing is ever trusted because it was seen first.
package enum HostKeys: Sendable {
    /// What the orchestrator said the runner's keys are.
    case pinned([SSHPublicKey])
    case knownHosts(KnownHosts)
    case unknown

    /// The orchestrator's keys where it gave any, else the known_hosts file.
    package static func choose(pinned: [SSHPublicKey], knownHosts: KnownHosts?) -> HostKeys {
        pinned.isEmpty ? knownHosts.map(HostKeys.knownHosts) ?? .unknown : .pinned(pinned)
    }

    /// The keys that this endpoint may show; an error where there is none, before anything is sent.
    func trusted(for endpoint: SSHEndpoint) throws(LianError) -> TrustedKeys {
        let trusted: TrustedKeys
        switch self {
        case .pinned(let keys):
            trusted = TrustedKeys(accepted: keys, revoked: [], source: "the orchestrator")
        case .knownHosts(let file):
            trusted = try file.trusted(for: endpoint)
        case .unknown:
            throw LianError(
                .hostKeyUnknown, .connect,
                "no host key is known for the runner at \(endpoint), and none is trusted on first use",
                hint: "Have the orchestrator answer with host_keys, or name a file with --known-hosts.")
        }
        let usable = trusted.accepted.filter { SSHLibrary.canVerify(hostKeyAlgorithm: $0.algorithm) }
        guard !usable.isEmpty else {
            let names = Set(trusted.accepted.map(\.algorithm)).sorted().joined(separator: ", ")
            throw LianError(
                .hostKeyUnknown, .connect,
                "the only host keys known for the runner at \(endpoint) are \(names), which libssh2 "
                    + "\(SSHLibrary.version) cannot verify with current servers",
                hint: "Give the runner an ed25519 host key (ssh-keygen -t ed25519 -f /etc/ssh/ssh_host_ed25519_key "
                    + "-N ''; ssh-keygen -A makes it too) and name its public half.")
        }
        return TrustedKeys(accepted: usable, revoked: trusted.revoked, source: trusted.source)
    }
}

struct TrustedKeys: Sendable {
    let accepted: [SSHPublicKey]
    let revoked: [SSHPublicKey]
    /// Who vouches for them, for messages.
    let source: String

    /// To be asked of the server first, so that it shows a key that can be compared.
    var algorithms: [String] {
        var names: [String] = []
        for key in accepted where !names.contains(key.algorithm) { names.append(key.algorithm) }
        return names
    }

    func check(_ shown: SSHPublicKey, endpoint: SSHEndpoint) throws(LianError) {
        guard !revoked.contains(shown) else {
            throw LianError(
                .hostKeyMismatch, .connect,
                "the runner at \(endpoint) shows the host key \(shown.description), which \(source) marks as revoked",
                hint: "Do not use this runner; nothing was sent to it.")
        }
        guard accepted.contains(shown) else {
            let expected = accepted.map(\.description).joined(separator: ", ")
            throw LianError(
                .hostKeyMismatch, .connect,
                "the runner at \(endpoint) shows the host key \(shown.description); \(source) says \(expected)",
                hint: "Something else may be answering at that address; nothing was sent to it. "
                    + "If the runner's key did change, update what \(source) says.")
        }
    }
}
