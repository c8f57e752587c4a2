/// An SSH agent on this side that a command on the other side may ask, in the agents' own protocol
/// (draft-miller-ssh-agent).
package protocol ForwardedAgent: Sendable {
    /// The answer to one request, both without the length that stands before them. Takes a bounded time.
    func answer(_ request: [UInt8]) async -> [UInt8]
}
