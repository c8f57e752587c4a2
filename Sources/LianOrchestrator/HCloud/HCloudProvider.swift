import LianModel
import LianSystem

/// Runners as servers of Hetzner Cloud, known by their labels alone.
package struct HCloudProvider: RunnerProvider {
    /// How long each thing may take, in the end.
    package struct Limits: Sendable {
        package var create: Duration = .seconds(180)
        package var boot: Duration = .seconds(300)
        package var removal: Duration = .seconds(50)
        /// How long a create whose answer never came may still make a machine.
        package var lateCreate: Duration = .seconds(60)

        package init() {}
    }

    package let name: String
    package var kind: String { ProviderConfig.Kind.hcloud.rawValue }
    package var engine: String { "image \(config.image)" }
    package var platform: String { offer.platform }

    let config: HCloudConfig
    let orchestrator: String
    let api: HCloudAPI
    let offer: HCloudOffer
    let limits: Limits
    /// When each runner of this process became ready: an older look tells nothing of it.
    let ready = Guarded<[String: ContinuousClock.Instant]>([:])
    /// Since when an answer to a runner's create is missing that may yet make a machine.
    let unanswered = Guarded<[String: ContinuousClock.Instant]>([:])
    private let lookout = Lookout<HCloudView, HCloudFailure>(
        limit: .seconds(15), freshness: HCloudProvider.freshness,
        silence: HCloudFailure(.unanswered, "it does not answer"))
    private let greetings = Greetings()

    /// Hetzner takes 3600 questions in an hour of a project.
    private static let freshness: Duration = .seconds(5)
    private static let staleness: Duration = .seconds(30)
    private static let startLimit: Duration = .seconds(15)

    /// Asks the cloud for all that runners need of it. `orchestrator` is the id that marks what is made.
    package init(
        name: String, _ config: HCloudConfig, token: [UInt8], orchestrator: String, limits: Limits = Limits()
    ) throws(ProviderError) {
        self.name = name
        self.config = config
        self.orchestrator = orchestrator
        self.limits = limits
        let api = try HCloudAPI(config.endpoint, token: token)
        self.api = api
        let end = ContinuousClock.now + Self.startLimit
        do throws(HCloudFailure) {
            offer = try api.patiently(until: end) { () throws(HCloudFailure) in
                try HCloudOffer.find(config, by: api)
            }
        } catch {
            throw ProviderError(error.kind == .lacking ? "\(error)" : "the cloud does not serve: \(error)")
        }
    }

    package func renew(_ secret: [UInt8]) throws(ProviderError) { try api.renew(token: secret) }

    package var problem: String? {
        guard case .failure(let failure)? = last else { return nil }
        return "the cloud does not answer: \(failure)"
    }

    package func refusal(of request: SpawnRequest) -> String? {
        if let region = request.region, !config.locations.contains(region) {
            return "region '\(region)' is not served here: there are \(config.locations.joined(separator: ", "))"
        }
        if let image = request.image, image != config.image {
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

    package func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        guard case .failure(let failure) = look(), failure.kind != .limited else { return nil }
        return .unreachable("the cloud of '\(name)' does not answer: \(failure)")
    }
}

// MARK: - Runners that are there

extension HCloudProvider {
    package func existing() throws(ProviderError) -> [String] {
        let marks = try told { () throws(HCloudFailure) in
            try api.patiently(until: .now + Self.startLimit) { () throws(HCloudFailure) in try see() }
        }.machines.compactMap(\.marks)
        return Marks.runners(of: orchestrator, in: marks)
    }

    /// By what was seen last, so that a cloud that hangs holds nobody up, and by whether its sshd still greets.
    package func isAlive(_ runnerID: String) throws(ProviderError) -> Bool {
        let view = try told { () throws(HCloudFailure) in try (last ?? look()).get() }
        if let ready = ready.value[runnerID], ready >= view.begun { return true }
        guard ContinuousClock.now - view.begun < Self.staleness else {
            throw ProviderError("the cloud was not seen for \(Self.staleness)")
        }
        guard let machine = view.of(marks(runnerID)).first, !machine.hasEnded else { return false }
        guard let host = address(of: machine) else { return true }
        return greetings.areHeard(of: runnerID, at: host, BootScript.sshPort)
    }

    package func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        try remove(marks(runnerID))
        ready.update { $0[runnerID] = nil }
        unanswered.update { $0[runnerID] = nil }
        greetings.forget(runnerID)
        return .complete
    }

    func marks(_ runnerID: String) -> Marks { Marks(orchestrator: orchestrator, runner: runnerID) }

    func address(of machine: HCloudMachine) -> String? {
        config.hasPublicIPv4 ? machine.publicAddress : machine.privateAddress
    }

    func told<Value>(_ body: () throws(HCloudFailure) -> Value) throws(ProviderError) -> Value {
        do {
            return try body()
        } catch {
            throw ProviderError("the cloud does not answer: \(error)")
        }
    }

    private typealias Look = Lookout<HCloudView, HCloudFailure>.Look

    private func look() -> Look { lookout.look { () throws(HCloudFailure) in try see() } }
    private var last: Look? { lookout.last { () throws(HCloudFailure) in try see() } }

    private func see() throws(HCloudFailure) -> HCloudView {
        let begun = ContinuousClock.now
        let list = try api.list("servers", HCloudMachine.selector(orchestrator))
        return HCloudView(begun: begun, machines: list.compactMap(HCloudMachine.init))
    }
}
