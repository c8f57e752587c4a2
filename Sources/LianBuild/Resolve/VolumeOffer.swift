import LianModel
import LianOrchestratorClient

/// What is asked of an orchestrator for a build's volume, once it is known whether it offers any.
package struct VolumeOffer: Equatable, Sendable {
    /// nil where nothing is asked for: an orchestrator that knows no volumes is sent no word of them.
    package var request: VolumeRequest?
    /// What is known of the volume before there is a runner.
    package var known: VolumeResult?

    /// Whoever does not say that it offers volumes offers none. That is no reason for a warning: without them a build is
    /// slower and no worse, and what else is wrong the spawn will tell.
    package static func ask(for wish: VolumeWish, _ client: OrchestratorClient) async -> VolumeOffer {
        guard wish != .off else { return VolumeOffer() }
        let health = try? await client.health(within: HistorySource.budget)
        guard health?.offersVolumes == true else {
            return VolumeOffer(known: VolumeResult(name: wish.request?.name, state: .none))
        }
        guard let request = wish.request else {
            let reason = VolumeTrouble.noName.rawValue
            return VolumeOffer(known: VolumeResult(name: nil, state: .cold, reason: reason))
        }
        return VolumeOffer(request: request)
    }

    private init(request: VolumeRequest? = nil, known: VolumeResult? = nil) {
        self.request = request
        self.known = known
    }
}
