import LianModel
import LianSystem

/// Runners as servers of Hetzner Cloud, known by their labels alone.
struct HCloudProvider: CloudProvider {
    typealias Machine = HCloudMachine
    typealias Failure = HCloudFailure

    let name: String
    var kind: String { ProviderConfig.Kind.hcloud.rawValue }
    var engine: String { "image \(config.image)" }
    var platform: String { offer.platform }
    let called = "cloud"

    let config: HCloudConfig
    let orchestrator: String
    let api: HCloudAPI
    let offer: HCloudOffer
    let limits: CloudLimits
    let books = CloudBooks<HCloudMachine, HCloudFailure>(silence: HCloudFailure(.unanswered, "it does not answer"))

    /// Asks the cloud for all that runners need of it. `orchestrator` is the id that marks what is made.
    init(
        name: String, _ config: HCloudConfig, token: [UInt8], orchestrator: String, limits: CloudLimits = CloudLimits()
    ) throws(ProviderError) {
        self.name = name
        self.config = config
        self.orchestrator = orchestrator
        self.limits = limits
        let api = try HCloudAPI(config.endpoint, token: token)
        self.api = api
        do throws(HCloudFailure) {
            offer = try patiently(until: .now + limits.start) { () throws(HCloudFailure) in
                try HCloudOffer.find(config, by: api)
            }
        } catch {
            throw ProviderError(error.kind == .lacking ? "\(error)" : "the cloud does not serve: \(error)")
        }
    }

    func renew(_ secret: [UInt8]) throws(ProviderError) { try api.renew(token: secret) }

    func refusal(of request: SpawnRequest) -> String? {
        if let region = request.region, !config.locations.contains(region) {
            return "region '\(region)' is not served here: there are \(config.locations.joined(separator: ", "))"
        }
        if let image = request.image, ![config.image, config.furtherImage].contains(image) {
            return "runner image '\(image)' is not served here: runners are made of '\(config.image)'"
        }
        if let platform = request.platform, platform != self.platform {
            return "platform '\(platform)' is not served here: the server types are of \(self.platform)"
        }
        let size = request.size
        guard offer.places(for: request).isEmpty else { return nil }
        let place = request.region.map { " in '\($0)'" } ?? ""
        return
            "no server type\(place) is for tier '\(size.tier ?? "")' or has \(size.cpu) CPUs and \(size.memoryMB) MB: "
            + "'types' of the provider '\(name)' names those there are"
    }

    func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        guard case .failure(let failure) = look(), failure.kind != .limited else { return nil }
        return .unreachable("the cloud of '\(name)' does not answer: \(failure)")
    }
}

extension HCloudProvider {
    func seen() throws(HCloudFailure) -> [HCloudMachine] {
        try api.list("servers", HCloudMachine.selector(orchestrator)).compactMap(HCloudMachine.init)
    }

    func address(of machine: HCloudMachine) -> String? {
        config.hasPublicIPv4 ? machine.publicAddress : machine.privateAddress
    }
}
