import LianChannel
import LianModel
import LianSystem

/// An agent of the caller's, asked for a runner. Each request has a connection of its own, so that nothing that a runner
/// sends has to do with what it sends later.
package struct SocketAgent: ForwardedAgent {
    private let path: String
    private let limit: Duration

    /// How long a request may take: a person may have to confirm it.
    private static let requestLimit: Duration = .seconds(60)
    /// How long the agent may take to say which keys it has.
    private static let firstLimit: Duration = .seconds(10)

    init(path: String, limit: Duration = requestLimit) {
        self.path = path
        self.limit = limit
    }

    /// An agent that is known to answer.
    package static func open(_ path: String) async throws -> SocketAgent {
        let agent = SocketAgent(path: path)
        let keys = await AgentClient.ask(at: path, within: firstLimit) { (client) throws(AgentClient.Failure) in
            try client.identities()
        }
        try Task.checkCancellation()
        if case .failure(let failure) = keys {
            throw LianError(
                .sshKeyUnusable, .resolve, "the SSH agent at \(path) does not work: \(failure.reason)",
                hint: "Check it with SSH_AUTH_SOCK=\(shellQuoted(path)) ssh-add -l")
        }
        return agent
    }

    package func answer(_ request: [UInt8]) async -> [UInt8] {
        guard AgentMessage.mayPass(request) else { return AgentMessage.refusal }
        let answer = await AgentClient.ask(at: path, within: limit) { (client) throws(AgentClient.Failure) in
            try client.exchange(request)
        }
        // An agent that is gone, or that says what is no answer, has refused, as far as the runner needs to know.
        guard case .success(let bytes) = answer,
            [AgentMessage.identities, AgentMessage.signature].contains(bytes[0])
        else { return AgentMessage.refusal }
        return bytes
    }
}
