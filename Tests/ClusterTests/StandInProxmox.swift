import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Synchronization

/// Stands in for a cluster of Proxmox VE, which tests cannot speak to. It takes no request and gives no answer that is not
/// as Proxmox describes its API, and its virtual machines boot: they are containers of the cluster of LXD, in which what the
/// guest agent is told to run is run. What is wrong with an answer of its own, `with` throws in the end.
final class StandInProxmox: StandIn {
    /// What becomes of a request.
    enum Deed: Sendable {
        case pass, loseRequest, loseAnswer
        /// With Proxmox's own words.
        case refuse(Int, String)
    }

    /// What becomes of a machine.
    enum Fate: Sendable {
        case boots
        /// Its guest agent never answers.
        case neverBoots
        /// Its image has no runc, so that its boot script cannot do its work.
        case lacksRunc
        case cloneFails(String)
        case startFails(String)
    }

    typealias Rule = @Sendable (_ method: String, _ path: String) -> Deed

    struct Machine: Sendable {
        let vmid: Int
        let node: String
        var name: String
        var description = ""
        var pool: String?
        var tags = ""
        var lock: String?
        var status = "stopped"
        /// Until the task that starts it has ended.
        var isStarting = false
        var memoryMB = 2048
        var cores = 1
        var net = "virtio=BC:24:11:00:00:01,bridge=vmbr0"
        var agent = "enabled=1"
        var isTemplate = false
        /// While it is cloned a machine is in no pool, and who has rights on a pool alone does not see it.
        var isListed = true
        let address: String
        /// nil where it has none.
        var container: String?
        var fate = Fate.boots
    }

    struct Node: Sendable {
        let name: String
        var memoryMB: Int?
        var isOnline = true
    }

    struct State {
        var token: String
        var machines: [Int: Machine] = [:]
        var tasks: [String: JSONValue] = [:]
        var nodes = [Node(name: "pve1", memoryMB: 16 << 10), Node(name: "pve2", memoryMB: 16 << 10)]
        var lastID = 0
        var made = 0
        var breaches: [String] = []
        /// What goes on in the background.
        var busy = 0
        var keepsWhatIsDeleted = false
        var holdsClones = false
        /// Lists machines that run as stopped, as it may for some seconds.
        var listsLate = false
        /// What was uploaded, as Proxmox calls volumes.
        var files: [String] = []
    }

    private let profiles = Guarded(["default"])
    private let cluster: Cluster
    private let http: ScriptedHTTPServer
    private let table: APITable
    private let state: Mutex<State>
    private let rule = Guarded<Rule>({ _, _ in .pass })
    private let fate = Guarded<@Sendable (Int) -> Fate>({ _ in .boots })

    static let user = "lian@pve"
    static let tokenID = "\(user)!runners"
    static let token = "\(tokenID)=11111111-2222-3333-4444-555555555555"
    static let pool = "lian"
    static let template = 9000
    private static let root = "/api2/json"

    init(on cluster: Cluster) throws {
        self.cluster = cluster
        table = try APITable("proxmox-api.json")
        state = Mutex(State(token: Self.token))
        http = try ScriptedHTTPServer()
        for method in ["GET", "POST", "DELETE", "PUT"] {
            for depth in 1...7 {
                http.on(method, Self.root + String(repeating: "/*", count: depth)) { [weak self] request, _ in
                    self?.reply(to: request) ?? .reset
                }
            }
        }
        plant(vmid: Self.template, "lian-runner", pool: nil, isTemplate: true)
    }

    var breaches: [String] { state.withLock(\.breaches) }

    func stop() async {
        http.stop()
        change { $0.holdsClones = false }
        _ = await eventually { state.withLock { $0.busy == 0 } }
        for machine in machines {
            if let container = machine.container { _ = try? await cluster.lxc(["delete", "--force", container]) }
        }
    }

    var url: String { http.url }

    /// But templates.
    var machines: [Machine] {
        state.withLock { $0.machines.values.filter { !$0.isTemplate }.sorted { $0.vmid < $1.vmid } }
    }

    /// "METHOD /path" of all that it was asked, in order.
    var asked: [String] { http.requests().map { "\($0.method) \($0.path.dropFirst(Self.root.count))" } }

    func addProfile(_ name: String) { profiles.update { $0.append(name) } }
    func rule(_ rule: @escaping Rule) { self.rule.set(rule) }
    /// What becomes of each machine by its turn, counted from 1.
    func fate(_ fate: @escaping @Sendable (Int) -> Fate) { self.fate.set(fate) }
    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// A machine of somebody's.
    func plant(
        vmid: Int, _ name: String, pool: String? = StandInProxmox.pool, tags: String = "", description: String = "",
        isTemplate: Bool = false
    ) {
        change { state in
            state.machines[vmid] = Machine(
                vmid: vmid, node: "pve1", name: name, description: description, pool: pool, tags: tags,
                isTemplate: isTemplate, address: "192.0.2.1")
        }
    }

    func turnOff(_ vmid: Int) { change { $0.machines[vmid]?.status = "stopped" } }
    func remove(_ vmid: Int) { change { $0.machines[vmid] = nil } }
}

// MARK: - Requests

extension StandInProxmox {
    private struct Refusal: Error {
        let status: Int
        let message: String

        init(_ status: Int, _ message: String) { (self.status, self.message) = (status, message) }
    }

    private func reply(to request: ScriptedHTTPServer.Request) -> ScriptedHTTPServer.Reply {
        let path = String(request.path.dropFirst(Self.root.count))
        let deed = rule.value(request.method, path)
        if case .loseRequest = deed { return .reset }
        do {
            if case .refuse(let status, let message) = deed { throw Refusal(status, message) }
            let data = try answer(to: request, path)
            if case .loseAnswer = deed { return .reset }
            return .json(200, ["data": data])
        } catch {
            let refusal = error as? Refusal ?? Refusal(500, "\(error)")
            return .json(refusal.status, ["data": .null, "message": .string("\(refusal.message)\n")])
        }
    }

    private func note(_ breach: String?) {
        guard let breach else { return }
        change { $0.breaches.append(breach) }
    }

    private func answer(to request: ScriptedHTTPServer.Request, _ path: String) throws -> JSONValue {
        guard request.headers["authorization"] == "PVEAPIToken=\(state.withLock(\.token))" else {
            throw Refusal(401, "invalid token value!")
        }
        guard let operation = table.operation(request.method, path) else {
            note("no operation \(request.method) \(path)")
            throw Refusal(501, "Method '\(request.method) \(path)' not implemented")
        }
        let query = Dictionary(
            request.query.split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts.count > 1 ? parts[1] : "").removingPercentEncoding ?? "")
            }, uniquingKeysWith: { $1 })
        let body = request.body.isEmpty ? nil : request.json ?? Self.form(request)
        if let problem = table.problem(with: query, body, for: operation) {
            note("\(operation.place): \(problem)")
            throw Refusal(400, "Parameter verification failed.")
        }
        let parameters = operation.parameters.map { $0.removingPercentEncoding ?? $0 }
        let answer = try answer(to: operation.place, parameters, query, body ?? [:])
        note(table.problem(withAnswer: answer, to: operation).map { "the answer to \(operation.place): \($0)" })
        return answer
    }

    private func answer(
        to place: String, _ parameters: [String], _ query: [String: String], _ body: JSONValue
    ) throws -> JSONValue {
        switch place {
        case "GET /cluster/resources": return .array(resources)
        case "GET /pools": return [["poolid": .string(Self.pool)]]
        case "GET /nodes/{node}/tasks": return .array(activeTasks(parameters[0], query["typefilter"]))
        case "GET /nodes/{node}/tasks/{upid}/status":
            guard let task = state.withLock({ $0.tasks[parameters[1]] }) else { throw Refusal(500, "no such task") }
            return task
        case "POST /nodes/{node}/storage/{storage}/upload":
            let file = "\(parameters[1]):\(body["content"]?.stringValue ?? "")/\(body["filename"]?.stringValue ?? "")"
            change { $0.files.append(file) }
            return .string(done("imgcopy", 0, on: parameters[0]))
        case "DELETE /nodes/{node}/storage/{storage}/content/{volume}":
            change { $0.files.removeAll { $0 == parameters[2] } }
            return .string(done("imgdel", 0, on: parameters[0]))
        case "POST /nodes/{node}/qemu": return try create(on: parameters[0], body)
        default: break
        }
        let machine = try machine(parameters)
        switch place.replacing("/nodes/{node}/qemu/{vmid}", with: "") {
        case "POST /clone": return try clone(machine, body)
        case "GET /config": return config(machine)
        case "PUT /config": return try configure(machine, body)
        case "GET /status/current":
            return ["status": .string(machine.status), "vmid": .integer(machine.vmid), "ha": [:]]
        case "POST /status/start": return try start(machine)
        case "POST /status/stop": return try halt(machine)
        case "POST /template":
            change { $0.machines[machine.vmid]?.isTemplate = true }
            return .string(done("qmtemplate", machine.vmid, on: machine.node))
        case "DELETE ": return try delete(machine)
        case "GET /agent/network-get-interfaces": return try interfaces(of: machine)
        case "POST /agent/exec": return try execute(in: machine, body)
        case "GET /agent/file-read": return try read(query["file"] ?? "", in: machine)
        default: throw Refusal(501, "\(place) is not stood in for")
        }
    }

    /// An upload's, by the names that its parts have.
    private static func form(_ request: ScriptedHTTPServer.Request) -> JSONValue? {
        guard request.headers["content-type"]?.hasPrefix("multipart/form-data") == true else { return nil }
        let text = String(decoding: request.body, as: UTF8.self)
        let content = text.firstMatch(of: /name="content"\r\n\r\n([a-z]+)\r\n/)?.1
        let file = text.firstMatch(of: /name="filename"; filename="([^"]+)"/)?.1
        return ["content": .string(String(content ?? "")), "filename": .string(String(file ?? ""))]
    }

    private func machine(_ parameters: [String]) throws -> Machine {
        guard let vmid = Int(parameters[1]), let machine = state.withLock({ $0.machines[vmid] }),
            machine.node == parameters[0]
        else {
            throw Refusal(
                500, "Configuration file 'nodes/\(parameters[0])/qemu-server/\(parameters[1]).conf' does not exist")
        }
        return machine
    }

    private var resources: [JSONValue] {
        let state = state.withLock { $0 }
        let nodes = state.nodes.map { node -> JSONValue in
            var members: [String: JSONValue] = [
                "id": .string("node/\(node.name)"), "type": "node", "node": .string(node.name),
                "status": node.isOnline ? "online" : "offline",
            ]
            if let memory = node.memoryMB {
                members.merge(["maxmem": .integer(memory << 20), "mem": .integer(1 << 30)]) { $1 }
            }
            return .object(members)
        }
        let guests = state.machines.values.filter(\.isListed).sorted { $0.vmid < $1.vmid }.map { one -> JSONValue in
            var members: [String: JSONValue] = [
                "id": .string("qemu/\(one.vmid)"), "type": "qemu", "vmid": .integer(one.vmid),
                "node": .string(one.node), "name": .string(one.name), "template": one.isTemplate ? 1 : 0,
                "maxmem": .integer(one.memoryMB << 20), "tags": .string(one.tags),
                "status": .string(state.listsLate ? "stopped" : one.status),
            ]
            members["pool"] = one.pool.map(JSONValue.string)
            members["lock"] = one.lock.map(JSONValue.string)
            return .object(members)
        }
        let storages: [JSONValue] = state.nodes.map { node in
            [
                "id": .string("storage/\(node.name)/local-lvm"), "type": "storage", "storage": "local-lvm",
                "node": .string(node.name), "status": "available",
            ]
        }
        return nodes + guests + storages
    }
}

// MARK: - Tasks

extension StandInProxmox {
    /// Begins something of which the caller tells the end.
    private func begin(_ type: String, _ vmid: Int, on node: String) -> String {
        state.withLock { state in
            state.lastID += 1
            state.busy += 1
            let number = hexadecimal([UInt8(state.lastID >> 8 & 0xff), UInt8(state.lastID & 0xff)]).uppercased()
            let id = "UPID:\(node):0000\(number):0014E2F0:66000000:\(type):\(vmid):\(Self.tokenID):"
            state.tasks[id] = [
                "upid": .string(id), "node": .string(node), "pid": .integer(state.lastID), "pstart": 1_368_816,
                "starttime": 1_711_276_032, "type": .string(type), "id": .string(String(vmid)),
                "user": .string(Self.tokenID), "status": "running",
            ]
            return id
        }
    }

    private func end(_ task: String, _ exit: String = "OK") {
        change { state in
            state.busy -= 1
            var members = state.tasks[task]?.objectValue ?? [:]
            members["status"] = "stopped"
            members["exitstatus"] = .string(exit)
            state.tasks[task] = .object(members)
        }
    }

    /// Something that has ended already.
    private func done(_ type: String, _ vmid: Int, on node: String) -> String {
        let task = begin(type, vmid, on: node)
        end(task)
        return task
    }

    private func activeTasks(_ node: String, _ type: String?) -> [JSONValue] {
        let all = state.withLock { Array($0.tasks.values) }
        return all.filter {
            $0["node"]?.stringValue == node && $0["status"] == "running"
                && type ?? $0["type"]?.stringValue == $0["type"]?.stringValue
        }
    }
}

// MARK: - Machines

extension StandInProxmox {
    private func clone(_ template: Machine, _ body: JSONValue) throws -> JSONValue {
        let vmid = body["newid"]?.intValue ?? 0
        let node = body["target"]?.stringValue ?? template.node
        guard template.isTemplate, body["pool"]?.stringValue == Self.pool else {
            throw Refusal(403, "Permission check failed (/pool/\(body["pool"]?.stringValue ?? ""), VM.Allocate)")
        }
        let (isFree, number) = state.withLock { state in
            guard state.machines[vmid] == nil else { return (false, 0) }
            state.made += 1
            state.machines[vmid] = Machine(
                vmid: vmid, node: node, name: "", lock: "clone", isListed: false,
                address: cluster.address(10 + state.made % 200))
            return (true, state.made)
        }
        guard isFree else { throw Refusal(500, "unable to create VM \(vmid): config file already exists") }
        let task = begin("qmclone", template.vmid, on: template.node)
        let fate = fate.value(number)
        Task {
            _ = await eventually { state.withLock { !$0.holdsClones } }
            if case .cloneFails(let words) = fate {
                remove(vmid)
                return end(task, words)
            }
            change { state in
                state.machines[vmid]?.name = body["name"]?.stringValue ?? ""
                state.machines[vmid]?.description = body["description"]?.stringValue ?? ""
                state.machines[vmid]?.pool = body["pool"]?.stringValue
                state.machines[vmid]?.tags = template.tags
                state.machines[vmid]?.fate = fate
                state.machines[vmid]?.lock = nil
                state.machines[vmid]?.isListed = true
            }
            end(task)
        }
        return .string(task)
    }

    private func create(on node: String, _ body: JSONValue) throws -> JSONValue {
        let vmid = body["vmid"]?.intValue ?? 0
        let disk = body["scsi0"]?.stringValue ?? ""
        guard state.withLock({ $0.files.contains { disk.hasSuffix("import-from=\($0)") } }) else {
            throw Refusal(500, "there is no such disk")
        }
        plant(
            vmid: vmid, body["name"]?.stringValue ?? "", pool: nil, description: body["description"]?.stringValue ?? "")
        change { $0.machines[vmid]?.agent = body["agent"]?.stringValue ?? "" }
        return .string(done("qmcreate", vmid, on: node))
    }

    private func config(_ machine: Machine) -> JSONValue {
        var members: [String: JSONValue] = [
            "digest": "0123456789abcdef", "name": .string(machine.name), "memory": .string(String(machine.memoryMB)),
            "cores": .integer(machine.cores), "net0": .string(machine.net), "agent": .string(machine.agent),
            "description": .string(machine.description), "tags": .string(machine.tags),
        ]
        members["lock"] = machine.lock.map(JSONValue.string)
        if machine.isTemplate { members["template"] = 1 }
        return .object(members)
    }

    private func requireUnlocked(_ machine: Machine) throws {
        if let lock = machine.lock { throw Refusal(500, "VM is locked (\(lock))") }
        if machine.isStarting {
            throw Refusal(500, "can't lock file '/var/lock/qemu-server/lock-\(machine.vmid).conf' - got timeout")
        }
    }

    private func configure(_ machine: Machine, _ body: JSONValue) throws -> JSONValue {
        try requireUnlocked(machine)
        let tags = body["tags"]?.stringValue ?? ""
        guard tags.split(separator: ";").allSatisfy({ $0.contains(/^[a-z0-9_][a-z0-9_\-+.]*$/) }) else {
            throw Refusal(400, "Parameter verification failed.")
        }
        change { state in
            state.machines[machine.vmid]?.tags = tags
            state.machines[machine.vmid]?.memoryMB = body["memory"]?.stringValue.flatMap { Int($0) } ?? 0
            state.machines[machine.vmid]?.cores = body["cores"]?.intValue ?? 0
            if let net = body["net0"]?.stringValue { state.machines[machine.vmid]?.net = net }
        }
        return .null
    }

    private func start(_ machine: Machine) throws -> JSONValue {
        try requireUnlocked(machine)
        guard machine.status != "running" else { throw Refusal(500, "VM \(machine.vmid) already running") }
        let task = begin("qmstart", machine.vmid, on: machine.node)
        switch machine.fate {
        case .startFails(let words): end(task, words)
        case .neverBoots:
            change { $0.machines[machine.vmid]?.status = "running" }
            end(task)
        default:
            let container = "lian-cloud-\(UUID().uuidString.lowercased().prefix(8))"
            change { $0.machines[machine.vmid]?.isStarting = true }
            Task {
                do {
                    try await cluster.bootServer(
                        container, at: machine.address, userData: nil, lacksRunc: machine.fate.lacksRunc,
                        profiles: profiles.value)
                    change { state in
                        state.machines[machine.vmid]?.container = container
                        state.machines[machine.vmid]?.status = "running"
                    }
                } catch {
                    note("\(machine.vmid) does not boot: \(error)")
                    await cluster.endServer(container)
                }
                change { $0.machines[machine.vmid]?.isStarting = false }
                end(task)
            }
        }
        return .string(task)
    }

    private func halt(_ machine: Machine) throws -> JSONValue {
        try requireUnlocked(machine)
        guard machine.status == "running" else { throw Refusal(500, "VM \(machine.vmid) not running") }
        let task = begin("qmstop", machine.vmid, on: machine.node)
        Task {
            if let container = machine.container { await cluster.endServer(container) }
            change { state in
                state.machines[machine.vmid]?.status = "stopped"
                state.machines[machine.vmid]?.container = nil
            }
            end(task)
        }
        return .string(task)
    }

    private func delete(_ machine: Machine) throws -> JSONValue {
        try requireUnlocked(machine)
        guard machine.status == "stopped" else {
            throw Refusal(500, "VM \(machine.vmid) is running - destroy failed")
        }
        let task = begin("qmdestroy", machine.vmid, on: machine.node)
        Task {
            if let container = machine.container { await cluster.endServer(container) }
            if !state.withLock(\.keepsWhatIsDeleted) { remove(machine.vmid) }
            end(task)
        }
        return .string(task)
    }

    // MARK: By the guest agent

    private func container(of machine: Machine) throws -> String {
        guard let container = machine.container else { throw Refusal(500, "QEMU guest agent is not running") }
        return container
    }

    private func interfaces(of machine: Machine) throws -> JSONValue {
        _ = try container(of: machine)
        func card(_ name: String, _ address: String) -> JSONValue {
            [
                "name": .string(name), "hardware-address": "bc:24:11:00:00:01",
                "ip-addresses": [
                    ["ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 64],
                    ["ip-address": .string(address), "ip-address-type": "ipv4", "prefix": 24],
                ],
            ]
        }
        return ["result": [card("lo", "127.0.0.1"), card("docker0", "172.17.0.1"), card("eth0", machine.address)]]
    }

    private func execute(in machine: Machine, _ body: JSONValue) throws -> JSONValue {
        let container = try container(of: machine)
        let command = body["command"]?.arrayValue?.compactMap(\.stringValue) ?? []
        change { $0.busy += 1 }
        Task {
            // It goes when its machine does.
            _ = try? await cluster.lxc(
                ["exec", "--force-noninteractive", container, "--"] + command,
                input: body["input-data"]?.stringValue ?? "")
            change { $0.busy -= 1 }
        }
        return ["pid": 4711]
    }

    private func read(_ file: String, in machine: Machine) throws -> JSONValue {
        let container = try container(of: machine)
        let text: String
        do {
            text = try waiting { [cluster] in try await cluster.lxc(["exec", container, "--", "cat", file]) }
        } catch {
            throw Refusal(500, "Agent error: Failed to open file '\(file)' (mode: 'r'): No such file or directory")
        }
        return ["content": .string(text)]
    }
}

extension StandInProxmox.Fate {
    fileprivate var lacksRunc: Bool { if case .lacksRunc = self { true } else { false } }
}
