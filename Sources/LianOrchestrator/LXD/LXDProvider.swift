import LianHTTP
import LianModel
import LianSystem

/// Runners as containers of an LXD or Incus cluster, known by their marks alone.
package struct LXDProvider: RunnerProvider {
    package let name: String
    package var kind: String { ProviderConfig.Kind.lxd.rawValue }
    package var engine: String { "image \(config.image)" }
    package let platform: String

    let config: LXDConfig
    let orchestrator: String
    let flavor: LXDServer.Flavor
    let server: LXDServer
    let cluster: LXDCluster
    let places: LXDPlaces
    /// nil where no pool is known for them.
    let volumes: LXDVolumes?
    let limits: Limits
    /// Whether runners have a network of their own, by the profiles.
    let hasNetwork: Bool
    /// What runners may be made of, by alias, as it was when the last runner was asked for.
    private let images: Guarded<[String: LXDImage]>
    /// When each runner of this process became ready: an older look tells nothing of it.
    let ready = Guarded<[String: ContinuousClock.Instant]>([:])
    /// Of runners whose member is not seen. Each time is short, so that a death is noticed within 20 seconds.
    private let greetings = Greetings(pause: .seconds(1), limit: .seconds(2), silence: .seconds(8))
    /// The runners of this process whose engine works on a volume.
    let withVolume = Guarded<Set<String>>([])

    /// How long the steps of making and unmaking may take at most.
    struct Limits: Sendable {
        var create: Duration = .seconds(120)
        var boot: Duration = .seconds(240)
        var removal: Duration = .seconds(50)
    }

    private static let staleness: Duration = .seconds(30)

    /// Asks the cluster for all that runners need of it. `orchestrator` is the id that marks what is made; `key` that of
    /// the client's certificate, empty where the door is a socket.
    package init(
        name: String, _ config: LXDConfig, key: [UInt8], orchestrator: String
    ) throws(ProviderError) {
        try self.init(name: name, config, key: key, orchestrator: orchestrator, limits: Limits())
    }

    init(
        name: String, _ config: LXDConfig, key: [UInt8], orchestrator: String, limits: Limits
    ) throws(ProviderError) {
        self.name = name
        self.limits = limits
        self.config = config
        self.orchestrator = orchestrator
        server = try LXDServer(config, key: key)
        do {
            let about = try server.ask(.get, "").metadata
            guard about["auth"]?.stringValue == "trusted" else {
                throw ProviderError(
                    "the cluster does not trust client_certificate: add it there by `lxc config trust add FILE`")
            }
            flavor = about["environment"]?["server"]?.stringValue == "incus" ? .incus : .lxd
            try Self.findProject(config.project, on: server)
            let isClustered = about["environment"]?["server_clustered"]?.boolValue == true
            cluster = LXDCluster(server, isClustered: isClustered)
            if config.isVM { try server.requireVirtualMachines(on: config.members, isClustered: isClustered) }
            let images = try Self.findImages(config, on: server)
            self.images = Guarded(images)
            let architecture = images[config.image]?.architecture ?? ""
            platform = architecture == "aarch64" ? "linux/arm64" : "linux/amd64"
            places = LXDPlaces(config, architecture: architecture)
            let devices = try Self.devices(of: config.profiles ?? ["default"], on: server)
            hasNetwork = devices.contains { $0["type"]?.stringValue == "nic" }
            guard hasNetwork || !config.isVM else {
                throw ProviderError("virtual machines are reached by their network alone: give one of 'profiles' a nic")
            }
            let root = devices.last { $0["type"]?.stringValue == "disk" && $0["path"]?.stringValue == "/" }
            volumes = (config.pool ?? root?["pool"]?.stringValue).map { [server, cluster] pool in
                LXDVolumes(server: server, cluster: cluster, pool: pool, orchestrator: orchestrator)
            }
        } catch let error as LXDFailure {
            throw ProviderError("the cluster does not serve: \(error.advised)")
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError("\(error)")
        }
    }

    private static func findProject(_ project: String?, on server: LXDServer) throws {
        guard let project, try server.askIfThere("/projects/\(percentEncoded(project))") == nil else { return }
        throw ProviderError(
            "the cluster has no project '\(project)' that client_certificate may use: make it by `lxc project create "
                + "\(project)`, and give the certificate the right by `lxc config trust edit FINGERPRINT`")
    }

    private static func findImages(_ config: LXDConfig, on server: LXDServer) throws -> [String: LXDImage] {
        let own = try LXDImage.find(config.image, ofVMs: config.isVM, on: server)
        guard let further = config.furtherImage else { return [config.image: own] }
        let other = try LXDImage.find(further, ofVMs: config.isVM, on: server)
        guard other.architecture == own.architecture else {
            throw ProviderError(
                "the images '\(config.image)' and '\(further)' are for different machines: give each a provider of its "
                    + "own")
        }
        return [config.image: own, further: other]
    }

    private static func devices(of profiles: [String], on server: LXDServer) throws -> [JSONValue] {
        try profiles.flatMap { profile in
            guard let found = try server.askIfThere("/profiles/\(percentEncoded(profile))") else {
                throw ProviderError("the cluster has no profile '\(profile)'")
            }
            return (found["devices"]?.objectValue ?? [:]).values
        }
    }

    /// What lies on volumes is for engines of the same image.
    package var engineKind: EngineKind? { volumes == nil ? nil : images.value[config.image]?.engineKind }

    package func engineKind(for request: SpawnRequest) -> EngineKind? {
        volumes == nil ? nil : image(for: request)?.engineKind
    }

    func image(for request: SpawnRequest) -> LXDImage? { images.value[request.image ?? config.image] }

    package var problem: String? {
        guard case .failure(let failure)? = cluster.last else { return nil }
        return "the cluster does not answer: \(failure)"
    }

    package func refusal(of request: SpawnRequest) -> String? {
        if let region = request.region { return "region '\(region)' is not served here: there is one cluster alone" }
        if let image = request.image, ![config.image, config.furtherImage].contains(image) {
            return "runner image '\(image)' is not served here: runners are made of '\(config.image)'"
        }
        if let platform = request.platform, platform != self.platform {
            return "platform '\(platform)' is not served here: the image '\(config.image)' is for \(self.platform)"
        }
        return nil
    }

    package func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        switch cluster.look() {
        case .failure(let failure): return .unreachable("the cluster '\(name)' does not answer: \(failure.advised)")
        case .success(let view):
            do {
                images.set(try Self.findImages(config, on: server))
            } catch {
                let reason = (error as? LXDFailure)?.advised ?? "\(error)"
                return .unreachable("the cluster '\(name)' does not serve: \(reason)")
            }
            return places.refusal(of: request.size, in: view, for: orchestrator).map(SpawnObstacle.noRoom)
        }
    }
}

// MARK: - Runners that are there

extension LXDProvider {
    package func existing() throws(ProviderError) -> [String] {
        let marks = try view().instances.compactMap(\.marks)
        return Marks.runners(of: orchestrator, in: marks)
    }

    package func isAlive(_ runnerID: String) throws(ProviderError) -> Bool { try isAlive(runnerID, at: nil) }

    /// By what was seen last, so that a cluster that hangs holds nobody up. A runner whose member is not seen lives on
    /// as long as its sshd answers.
    package func isAlive(_ runnerID: String, at place: RunnerPlace?) throws(ProviderError) -> Bool {
        let view = try (cluster.last ?? cluster.look()).mapError { ProviderError($0.description) }.get()
        if let ready = ready.value[runnerID], ready >= view.begun { return true }
        guard ContinuousClock.now - view.begun < Self.staleness else {
            throw ProviderError("the cluster was not seen for \(Self.staleness)")
        }
        guard let instance = view.of(marks(runnerID)).first else { return false }
        guard instance.isUnseen else {
            greetings.forget(runnerID)
            return instance.isRunning || instance.isUnderWay
        }
        guard let place else {
            throw ProviderError("its member \(instance.member) does not answer, and nobody else knows of it")
        }
        return greetings.areHeard(of: runnerID, at: place.host, place.port)
    }

    package func causeOfDeath(_ runnerID: String) -> String {
        guard case .success(let view)? = cluster.last, let instance = view.of(marks(runnerID)).first else {
            return "its machine is gone from the cluster"
        }
        return instance.isUnseen
            ? "the cluster's member \(instance.member) does not answer, and neither does the runner's sshd"
            : "its machine on the member \(instance.member) has ended"
    }

    /// Repeated until the cluster no longer lists it.
    package func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        try remove(marks(runnerID))
        places.free(runnerID)
        ready.update { $0[runnerID] = nil }
        greetings.forget(runnerID)
        withVolume.update { _ = $0.remove(runnerID) }
        return .complete
    }

    package func renew(_ secret: [UInt8]) throws(ProviderError) { try server.renew(config, key: secret) }

    func marks(_ runnerID: String) -> Marks { Marks(orchestrator: orchestrator, runner: runnerID) }

    func view() throws(ProviderError) -> LXDView {
        do {
            return try cluster.look().get()
        } catch {
            throw ProviderError("the cluster does not answer: \(error)")
        }
    }
}
