/// The protocol of SSH agents (draft-miller-ssh-agent), as far as it is spoken here.
enum AgentMessage {
    static let failure: UInt8 = 5
    static let requestIdentities: UInt8 = 11
    static let identities: UInt8 = 12
    static let signRequest: UInt8 = 13
    static let signature: UInt8 = 14

    /// OpenSSH takes no longer message either.
    static let limit = 256 << 10

    static let refusal = [failure]

    /// What may be asked of an agent from a runner: which keys there are, and to sign. Nothing that changes the agent.
    static func mayPass(_ request: [UInt8]) -> Bool {
        guard request.count <= limit else { return false }
        return request == [requestIdentities] || request.first == signRequest
    }

    /// One RSA key signs in several ways; without a flag an agent takes SHA-1.
    enum SignFlag {
        static let sha256: UInt32 = 2
        static let sha512: UInt32 = 4
    }
}
