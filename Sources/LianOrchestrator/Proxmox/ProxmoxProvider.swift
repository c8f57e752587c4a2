import LianHTTP
import LianModel
import LianSystem

/// Runners as virtual machines of a Proxmox VE cluster, known by their pool, their VMID and their tags together.
struct ProxmoxProvider: CloudProvider {
    typealias Machine = ProxmoxMachine
    typealias Failure = ProxmoxFailure

    let name: String
    var kind: String { ProviderConfig.Kind.proxmox.rawValue }
    var engine: String { "template \(config.template)" }
    /// Proxmox VE itself runs on nothing else.
    let platform = "linux/amd64"
    let called = "cluster"

    let config: ProxmoxConfig
    let orchestrator: String
    let api: ProxmoxAPI
    let limits: CloudLimits
    let places: ProxmoxPlaces
    let books = CloudBooks<ProxmoxMachine, ProxmoxFailure>(silence: ProxmoxFailure(.unanswered, "it does not answer"))
    /// The runners of this process by the tasks that clone for them.
    let clones = Guarded<[String: String]>([:])
    /// The tasks that were cloning when this process began, for which runner only they know.
    let inherited = Guarded<Set<String>>([])
    /// Where the sshd of each runner is.
    private let hosts = Guarded<[String: String]>([:])
    private let last: Guarded<ProxmoxResources>
    /// That of the largest node, in MB.
    private let largestMemory: Int

    /// A full clone of a template may take minutes.
    static var limits: CloudLimits {
        var limits = CloudLimits()
        limits.create = .seconds(600)
        return limits
    }

    /// Asks the cluster for all that runners need of it. `orchestrator` is the id that marks what is made.
    init(
        name: String, _ config: ProxmoxConfig, token: [UInt8], orchestrator: String,
        limits: CloudLimits = ProxmoxProvider.limits
    ) throws(ProviderError) {
        self.name = name
        self.config = config
        self.orchestrator = orchestrator
        self.limits = limits
        places = ProxmoxPlaces(config.vmids)
        let api = try ProxmoxAPI(config, token: token)
        self.api = api
        do throws(ProxmoxFailure) {
            let found = try patiently(until: .now + limits.start) { () throws(ProxmoxFailure) in
                try ProxmoxResources.find(config, by: api)
            }
            last = Guarded(found)
            largestMemory =
                (found.nodes.filter { config.nodes.contains($0.name) }.compactMap(\.memory).max() ?? 0) >> 20
            inherited.set(try clonesUnderWay(in: found))
        } catch {
            throw ProviderError(error.kind == .lacking ? "\(error)" : "the cluster does not serve: \(error)")
        }
    }

    func renew(_ secret: [UInt8]) throws(ProviderError) { try api.renew(token: secret) }

    func refusal(of request: SpawnRequest) -> String? {
        if let region = request.region, !config.nodes.contains(region) {
            return "region '\(region)' is not served here: there are \(config.nodes.joined(separator: ", "))"
        }
        if let image = request.image, image != config.template {
            return "runner image '\(image)' is not served here: runners are made of '\(config.template)'"
        }
        if let platform = request.platform, platform != self.platform {
            return "platform '\(platform)' is not served here: the nodes are of \(self.platform)"
        }
        guard request.size.memoryMB > largestMemory else { return nil }
        return "\(request.size.memoryMB) MB of memory are more than any node has: \(largestMemory) MB"
    }

    func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        if case .failure(let failure) = look() {
            return .unreachable("the cluster of '\(name)' does not answer: \(failure)")
        }
        return places.refusal(of: request.size, on: places(for: request), in: last.value).map(SpawnObstacle.noRoom)
    }

    func places(for request: SpawnRequest) -> [String] { request.region.map { [$0] } ?? config.nodes }

    func forget(_ runnerID: String) {
        places.free(runnerID)
        hosts.update { $0[runnerID] = nil }
        clones.update { $0 = $0.filter { $0.value != runnerID } }
    }
}

// MARK: - Machines that are there

extension ProxmoxProvider {
    func resources() throws(ProxmoxFailure) -> ProxmoxResources {
        let found = ProxmoxResources(try api.ask(.get, "/cluster/resources"))
        last.set(found)
        return found
    }

    func seen() throws(ProxmoxFailure) -> [ProxmoxMachine] {
        var machines = try marked(in: try resources()).filter { $0.marks?.orchestrator == orchestrator }
        // Nobody waits for long, nor for a node that is away once for each of its machines.
        let end = ContinuousClock.now + .seconds(3)
        var silent: Set<String> = []
        for index in machines.indices {
            do throws(ProxmoxFailure) {
                guard ContinuousClock.now < end, !silent.contains(machines[index].node) else {
                    throw ProxmoxFailure(.unanswered, "it is not asked")
                }
                // What the list says of that comes some seconds late.
                if machines[index].hasEnded { machines[index].status = try status(of: machines[index]) }
                if !machines[index].hasEnded, address(of: machines[index]) == nil {
                    machines[index].host = try findAddress(of: machines[index])
                }
            } catch {
                if error.isOfTheNode { silent.insert(machines[index].node) }
                if machines[index].hasEnded { machines[index].status = "unknown" }
            }
        }
        return machines
    }

    func find(_ marks: Marks) throws(ProxmoxFailure) -> [ProxmoxMachine] {
        try marked(in: try resources()).filter { $0.marks == marks }
    }

    /// Pool, VMID and tags say whose a machine is. A clone gets its tags once it is made, and its pool in the end: until then
    /// it is known by its description, which comes with the request that makes it, as its VMID does.
    private func marked(in resources: ProxmoxResources) throws(ProxmoxFailure) -> [ProxmoxMachine] {
        var machines: [ProxmoxMachine] = []
        for one in resources.guests where one.isMachine && !one.isTemplate && config.vmids.contains(one.vmid) {
            guard one.pool ?? config.pool == config.pool else { continue }
            var marks = one.pool == nil ? nil : ProxmoxMachine.marks(in: one.tags)
            if marks == nil, !ProxmoxMachine.areMarked(one.tags) {
                marks = try marksBeforeTags(of: one)
            }
            guard let marks else { continue }
            machines.append(ProxmoxMachine(vmid: one.vmid, node: one.node, marks: marks, status: one.status))
        }
        return machines
    }

    private func marksBeforeTags(of one: ProxmoxResources.Guest) throws(ProxmoxFailure) -> Marks? {
        let machine = ProxmoxMachine(vmid: one.vmid, node: one.node, marks: nil, status: one.status)
        do throws(ProxmoxFailure) {
            let description = try api.ask(.get, "\(machine.path)/config")["description"]?.stringValue ?? ""
            return ProxmoxMachine.marks(in: description.split(whereSeparator: \.isWhitespace).map(String.init))
        } catch {
            // It went meanwhile, or is not ours to look at.
            if error.isUnknown || error.isForbidden { return nil }
            throw error
        }
    }

    func status(of machine: ProxmoxMachine) throws(ProxmoxFailure) -> String {
        do throws(ProxmoxFailure) {
            return try api.ask(.get, "\(machine.path)/status/current")["status"]?.stringValue ?? machine.status
        } catch {
            if error.isUnknown { return "stopped" }
            throw error
        }
    }

    func address(of machine: ProxmoxMachine) -> String? {
        machine.host ?? machine.marks.flatMap { hosts.value[$0.runner] }
    }

    /// As the machine's agent tells it: the first that others can reach; nil where it has none yet.
    func findAddress(of machine: ProxmoxMachine) throws(ProxmoxFailure) -> String? {
        let answer = try api.ask(.get, "\(machine.path)/agent/network-get-interfaces")
        let cards = (answer["result"]?.arrayValue ?? []).filter { card in
            let name = card["name"]?.stringValue ?? ""
            return name.hasPrefix("en") || name.hasPrefix("eth")
        }
        let addresses = cards.flatMap { $0["ip-addresses"]?.arrayValue ?? [] }
        func first(_ type: String, not local: String) -> String? {
            addresses.first { address in
                address["ip-address-type"]?.stringValue == type
                    && address["ip-address"]?.stringValue?.hasPrefix(local) == false
            }?["ip-address"]?.stringValue
        }
        let host = first("ipv4", not: "169.254.") ?? first("ipv6", not: "fe80:")
        if let host, let marks = machine.marks { hosts.update { $0[marks.runner] = host } }
        return host
    }
}
