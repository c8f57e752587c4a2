import LianModel

/// What makes and unmakes runners. The fleet keeps the books: leases, capacity and idempotency are its own, and all
/// that a provider knows of a runner is its id and the order.
///
/// Every call may block, each comes on a thread that may, and for one runner they come one after the other. The
/// runner's row is on disk before `create` is called: whatever `create` makes must be found again by the id alone, so
/// that `destroy` can remove it after a crash at any moment. `local` names its folder after the id; a provider for a
/// cloud would put the id into a label of its machine.
package protocol RunnerProvider: RunnerRemover {
    /// The provider's name in the API.
    var name: String { get }
    /// The build engine that its runners carry.
    var engine: String { get }

    /// Why runners cannot be reached at present, with the remedy; nil where they can.
    var problem: String? { get }

    /// Why this request can never be served here; nil where it can.
    func refusal(of request: SpawnRequest) -> String?

    /// Makes the runner and returns once its sshd answers. `isWanted` turns false when someone destroys the runner
    /// meanwhile. If the runner is only half made then, or when this throws, the `destroy` that follows removes it.
    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace
}

extension RunnerProvider {
    package var problem: String? { nil }
}

/// The half of a provider that looks after the runners that exist.
package protocol RunnerRemover: Sendable {
    /// Ends the runner and removes all of it, within about a minute: if it takes longer, that is an error, and is tried
    /// again. It may be repeated, and also works for a runner that was made only in part.
    func destroy(_ runnerID: String) throws(ProviderError) -> Removal

    /// Whether a runner that was ready still answers. Throws where that cannot be found out: a failed look does not
    /// mean that the runner is gone.
    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool

    /// The ids of all runners on the machine, whether or not the store knows them.
    func existing() throws(ProviderError) -> [String]
}

package enum Removal: Sendable {
    /// Nothing is left of the runner.
    case complete
    /// Only files are left, and they are being deleted: `destroy` is called again, and then returns how that ended.
    case deleting
}

package struct RunnerOrder: Sendable {
    package let runnerID: String
    package let request: SpawnRequest
    package let key: SSHPublicKey
}
