import LianModel

/// What makes and unmakes runners. The fleet keeps the books: leases, capacity and idempotency are its own, and all
/// that a provider knows of a runner is its id and the order.
///
/// Every call may block, each comes on a thread that may, and for one runner they come one after the other. The
/// runner's row is on disk before `create` is called: whatever `create` makes must be found again by the id alone, so
/// that `destroy` can remove it after a crash at any moment. `local` names its folder after the id; a provider for a
/// cloud would put the id into a label of its machine.
package protocol RunnerProvider: RunnerRemover {
    /// As the wire names it.
    var name: String { get }
    /// The build engine that its runners carry.
    var engine: String { get }

    /// What keeps runners from being reached just now, and the mend; nil where nothing does.
    var problem: String? { get }

    /// Why this request can never be served here; nil where it can.
    func refusal(of request: SpawnRequest) -> String?

    /// Makes the runner and returns once its sshd answers. `isWanted` turns false when someone destroys it meanwhile;
    /// what is half made then, or when this throws, is removed by the `destroy` that follows.
    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace
}

extension RunnerProvider {
    package var problem: String? { nil }
}

/// The half of a provider that looks after what is there already.
package protocol RunnerRemover: Sendable {
    /// Ends and removes all of it, within a minute or so: what takes longer is an error, and is tried again. Safe to
    /// repeat, and right for a runner of which only a part was ever made.
    func destroy(_ runnerID: String) throws(ProviderError) -> Removal

    /// Whether a runner that was ready still answers for itself. Throws where that cannot be told: that a look fails
    /// does not say that there is nothing.
    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool

    /// The ids of all that is there, whether the store knows it or not.
    func existing() throws(ProviderError) -> [String]
}

package enum Removal: Sendable {
    /// Nothing is left.
    case complete
    /// Only files are left, and they are being deleted: `destroy` is called again, and tells how that ended.
    case deleting
}

package struct RunnerOrder: Sendable {
    package let runnerID: String
    package let request: SpawnRequest
    package let key: SSHPublicKey
}
