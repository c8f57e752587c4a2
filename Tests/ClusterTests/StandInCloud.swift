import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Synchronization

/// Stands in for Hetzner Cloud, which tests cannot speak to. It takes no request and gives no answer that is not as the
/// cloud's owner says, and its servers boot: they are containers of the cluster, which run the user-data. What is
/// wrong with an answer of its own, `with` throws in the end.
final class StandInCloud: StandIn {
    /// What becomes of a request.
    enum Deed: Sendable {
        case pass, loseRequest, loseAnswer
        case refuse(Int, String, String)
        /// It takes no questions until then, and says so.
        case limit(until: Date)
    }

    /// What becomes of a server.
    enum Fate: Sendable {
        case boots
        case neverBoots
        /// Its image has no runc, so that its boot script cannot do its work.
        case lacksRunc
        /// It is made and not started, for want of something.
        case startFails(String)
    }

    typealias Rule = @Sendable (_ method: String, _ path: String) -> Deed

    struct Server: Sendable {
        let id: Int
        let name: String
        let labels: [String: String]
        let type: String
        let location: String
        let image: String
        let address: String
        var status: String
        /// That of its container; nil where it has none.
        var container: String?
        var isBooting = false
    }

    private struct State {
        var token: String
        var servers: [Int: Server] = [:]
        var actions: [Int: JSONValue] = [:]
        var images: [Int: JSONValue] = [:]
        var lastID = 1000
        var made = 0
        var remaining = 3600
        var breaches: [String] = []
        /// Servers that are being made or unmade.
        var busy = 0
        var keepsWhatIsDeleted = false
    }

    /// Profiles of the cluster that the containers have.
    private let profiles = Guarded(["default"])
    private let cluster: Cluster
    private let http: ScriptedHTTPServer
    private let table: APITable
    private let state: Mutex<State>
    private let rule = Guarded<Rule>({ _, _ in .pass })
    private let fate = Guarded<@Sendable (Int) -> Fate>({ _ in .boots })

    static let token = "token-of-the-cloud"
    private static let root = "/v1"

    init(on cluster: Cluster) throws {
        self.cluster = cluster
        table = try APITable("hcloud-api.json")
        state = Mutex(State(token: Self.token))
        http = try ScriptedHTTPServer()
        for method in ["GET", "POST", "DELETE", "PUT"] {
            for path in ["/*", "/*/*", "/*/*/actions/*"] {
                http.on(method, Self.root + path) { [weak self] request, _ in self?.reply(to: request) ?? .reset }
            }
        }
    }

    var breaches: [String] { state.withLock(\.breaches) }

    func stop() async {
        http.stop()
        _ = await eventually { state.withLock { $0.busy == 0 } }
        for server in servers {
            if let container = server.container { _ = try? await cluster.lxc(["delete", "--force", container]) }
        }
    }

    var url: String { http.url + Self.root }
    var servers: [Server] { state.withLock { $0.servers.values.sorted { $0.id < $1.id } } }

    /// "METHOD /path" of all that it was asked, in order.
    var asked: [(place: String, time: ContinuousClock.Instant)] {
        http.requests().map { ("\($0.method) \($0.path.dropFirst(Self.root.count))", $0.time) }
    }

    func addProfile(_ name: String) { profiles.update { $0.append(name) } }
    func rule(_ rule: @escaping Rule) { self.rule.set(rule) }
    /// What becomes of each server by its turn, counted from 1.
    func fate(_ fate: @escaping @Sendable (Int) -> Fate) { self.fate.set(fate) }
    func renew(token: String) { state.withLock { $0.token = token } }
    /// Says that all went well when something is deleted, and does nothing.
    func keepWhatIsDeleted(_ keeps: Bool) { state.withLock { $0.keepsWhatIsDeleted = keeps } }

    /// A server of somebody else's.
    func plant(_ name: String, _ labels: [String: String]) {
        state.withLock { state in
            state.lastID += 1
            state.servers[state.lastID] = Server(
                id: state.lastID, name: name, labels: labels, type: "cx23", location: "fsn1", image: "debian-12",
                address: "192.0.2.1", status: "running", container: nil)
        }
    }

    func turnOff(_ id: Int) { state.withLock { $0.servers[id]?.status = "off" } }
    func remove(_ id: Int) { state.withLock { $0.servers[id] = nil } }
}

// MARK: - Requests

extension StandInCloud {
    private struct Refusal: Error {
        let status: Int
        let code: String
        let message: String

        init(_ status: Int, _ code: String, _ message: String) {
            (self.status, self.code, self.message) = (status, code, message)
        }

        static let notFound = Refusal(404, "not_found", "no such thing")
    }

    private func reply(to request: ScriptedHTTPServer.Request) -> ScriptedHTTPServer.Reply {
        let path = String(request.path.dropFirst(Self.root.count))
        let deed = rule.value(request.method, path)
        if case .loseRequest = deed { return .reset }
        var reset = Date.now.addingTimeInterval(1)
        do {
            if case .limit(let until) = deed {
                reset = until
                throw Refusal(429, "rate_limit_exceeded", "limit of 3600 requests per hour reached")
            }
            if case .refuse(let status, let code, let message) = deed { throw Refusal(status, code, message) }
            let (status, answer) = try answer(to: request, path)
            if case .loseAnswer = deed { return .reset }
            return .json(status, answer, headers: rates(reset))
        } catch {
            let refusal = error as? Refusal ?? Refusal(500, "server_error", "\(error)")
            let answer: JSONValue = [
                "error": ["code": .string(refusal.code), "message": .string(refusal.message), "details": .null]
            ]
            note(table.problem(withError: answer))
            return .json(refusal.status, answer, headers: rates(reset))
        }
    }

    private func rates(_ reset: Date) -> [String: String] {
        let remaining = state.withLock { state in
            state.remaining = max(0, state.remaining - 1)
            return state.remaining
        }
        return [
            "RateLimit-Limit": "3600", "RateLimit-Remaining": String(remaining),
            "RateLimit-Reset": String(Int(reset.timeIntervalSince1970.rounded(.up))),
        ]
    }

    private func note(_ breach: String?) {
        guard let breach else { return }
        state.withLock { $0.breaches.append(breach) }
    }

    private func answer(to request: ScriptedHTTPServer.Request, _ path: String) throws -> (Int, JSONValue) {
        guard request.headers["authorization"] == "Bearer \(state.withLock(\.token))" else {
            throw Refusal(401, "unauthorized", "unable to authenticate")
        }
        guard let operation = table.operation(request.method, path) else {
            throw Refusal(404, "not_found", "no operation \(request.method) \(path)")
        }
        let query = Dictionary(
            request.query.split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts.count > 1 ? parts[1] : "").removingPercentEncoding ?? "")
            }, uniquingKeysWith: { $1 })
        let body = request.body.isEmpty ? nil : request.json
        if let problem = table.problem(with: query, body, for: operation) {
            note("\(operation.place): \(problem)")
            throw Refusal(422, "invalid_input", problem)
        }
        let answer = try answer(to: operation, query, body ?? [:])
        note(table.problem(withAnswer: answer, to: operation).map { "the answer to \(operation.place): \($0)" })
        return (operation.status, answer)
    }

    private func answer(to operation: APITable.Operation, _ query: [String: String], _ body: JSONValue) throws
        -> JSONValue
    {
        let id = operation.parameters.first.flatMap { Int($0) } ?? 0
        switch operation.place {
        case "GET /servers":
            let selected = servers.filter {
                Self.selects(query["label_selector"], $0.labels) && query["name"] ?? $0.name == $0.name
            }
            return try page("servers", selected.map(json), query)
        case "POST /servers": return try create(body)
        case "GET /servers/{id}": return ["server": json(try server(id))]
        case "DELETE /servers/{id}": return ["action": try delete(try server(id))]
        case "POST /servers/{id}/actions/create_image": return try createImage(of: try server(id), body)
        case "GET /actions/{id}":
            guard let action = state.withLock({ $0.actions[id] }) else { throw Refusal.notFound }
            return ["action": action]
        case "GET /images":
            let images = images.filter { image in
                ["name", "architecture"].allSatisfy { query[$0] == nil || image[$0]?.stringValue == query[$0] }
            }
            return try page("images", images, query)
        case "GET /images/{id}":
            guard let image = images.first(where: { $0["id"]?.intValue == id }) else { throw Refusal.notFound }
            return ["image": image]
        case "GET /server_types": return try page("server_types", Self.types, query)
        case "GET /locations": return try page("locations", Self.locationNames.map(Self.location), query)
        case "GET /networks", "GET /firewalls", "GET /placement_groups":
            return try page(String(operation.place.dropFirst("GET /".count)), [], query)
        default: throw Refusal.notFound
        }
    }

    private func server(_ id: Int) throws -> Server {
        guard let server = state.withLock({ $0.servers[id] }) else { throw Refusal.notFound }
        return server
    }

    private func page(_ name: String, _ items: [JSONValue], _ query: [String: String]) throws -> JSONValue {
        let number = query["page"].flatMap { Int($0) } ?? 1
        let size = query["per_page"].flatMap { Int($0) } ?? 25
        guard (1...50).contains(size), number >= 1 else { throw Refusal(422, "invalid_input", "no such page") }
        let last = max(1, (items.count + size - 1) / size)
        return .object([
            name: .array(Array(items.dropFirst((number - 1) * size).prefix(size))),
            "meta": [
                "pagination": [
                    "page": .integer(number), "per_page": .integer(size), "last_page": .integer(last),
                    "total_entries": .integer(items.count),
                    "previous_page": number > 1 ? .integer(number - 1) : .null,
                    "next_page": number < last ? .integer(number + 1) : .null,
                ]
            ],
        ])
    }

    /// By `key==value` and `key`, joined by commas.
    private static func selects(_ selector: String?, _ labels: [String: String]) -> Bool {
        (selector ?? "").split(separator: ",").allSatisfy { term in
            let parts = term.components(separatedBy: "==")
            return parts.count == 1 ? labels[parts[0]] != nil : labels[parts[0]] == parts[1]
        }
    }
}

// MARK: - Servers

extension StandInCloud {
    private func create(_ body: JSONValue) throws -> JSONValue {
        let name = body["name"]?.stringValue ?? ""
        let location = body["location"]?.stringValue ?? ""
        let type = body["server_type"]?.stringValue ?? ""
        guard Self.locationNames.contains(location), Self.types.contains(where: { $0["name"]?.stringValue == type })
        else {
            throw Refusal(422, "invalid_input", "no such location or server type")
        }
        let image = body["image"]?.stringValue ?? ""
        guard images.contains(where: { $0["name"]?.stringValue == image || $0["id"]?.intValue == Int(image) }) else {
            throw Refusal(422, "invalid_input", "image not found")
        }
        let userData = body["user_data"]?.stringValue ?? ""
        guard userData.utf8.count <= 32 << 10 else { throw Refusal(422, "invalid_input", "user_data is too long") }
        let labels = (body["labels"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
        let (server, number) = try state.withLock { state in
            guard !state.servers.values.contains(where: { $0.name == name }) else {
                throw Refusal(409, "uniqueness_error", "server name is already used")
            }
            state.lastID += 1
            state.made += 1
            let server = Server(
                id: state.lastID, name: name, labels: labels, type: type, location: location, image: image,
                address: cluster.address(10 + state.lastID % 200), status: "initializing",
                container: "lian-cloud-\(UUID().uuidString.lowercased().prefix(8))")
            state.servers[server.id] = server
            return (server, state.made)
        }
        let fate = fate.value(number)
        let made = act("create_server", on: server.id)
        let started = act("start_server", on: server.id)
        settle(made)
        if case .startFails(let code) = fate {
            state.withLock { $0.servers[server.id]?.container = nil }
            settle(started, failing: code)
        } else {
            boot(server, userData, fate: fate, started: started)
        }
        return [
            "server": json(server), "action": action(made), "next_actions": [action(started)],
            "root_password": "password-of-the-server",
        ]
    }

    private func boot(_ server: Server, _ userData: String, fate: Fate, started: Int) {
        if case .neverBoots = fate { state.withLock { $0.servers[server.id]?.container = nil } }
        change(server.id) { $0?.isBooting = true }
        Task {
            do {
                if let container = self.servers.first(where: { $0.id == server.id })?.container {
                    try await cluster.bootServer(
                        container, at: server.address, userData: userData, lacksRunc: fate.lacksRunc,
                        profiles: profiles.value)
                }
                settle(started)
            } catch {
                note("\(server.name) does not boot: \(error)")
            }
            change(server.id, isOver: true) { server in
                server?.isBooting = false
                if server?.status == "initializing" { server?.status = "running" }
            }
        }
    }

    /// Begins or ends what goes on in the background with a server.
    private func change(_ id: Int, isOver: Bool = false, _ body: (inout Server?) -> Void) {
        state.withLock { state in
            state.busy += isOver ? -1 : 1
            body(&state.servers[id])
        }
    }

    private func delete(_ server: Server) throws -> JSONValue {
        let deletion = act("delete_server", on: server.id)
        guard !state.withLock(\.keepsWhatIsDeleted) else {
            settle(deletion)
            return action(deletion)
        }
        change(server.id) { $0?.status = "deleting" }
        Task {
            // One that boots is deleted once it has booted.
            _ = await eventually { !state.withLock { $0.servers[server.id]?.isBooting ?? false } }
            if let container = server.container { await cluster.endServer(container) }
            change(server.id, isOver: true) { $0 = nil }
            settle(deletion)
        }
        return action(deletion)
    }

    private func createImage(of server: Server, _ body: JSONValue) throws -> JSONValue {
        let made = act("create_image", on: server.id)
        settle(made)
        return state.withLock { state in
            state.lastID += 1
            let image = Self.image(
                state.lastID, nil, "x86", type: "snapshot", description: body["description"]?.stringValue ?? "")
            state.images[state.lastID] = image
            return ["image": image, "action": state.actions[made] ?? .null]
        }
    }

    // MARK: Actions

    private func act(_ command: String, on server: Int) -> Int {
        state.withLock { state in
            state.lastID += 1
            state.actions[state.lastID] = [
                "id": .integer(state.lastID), "command": .string(command), "status": "running", "progress": 0,
                "started": Self.time, "finished": .null, "error": .null,
                "resources": [["id": .integer(server), "type": "server"]],
            ]
            return state.lastID
        }
    }

    private func action(_ id: Int) -> JSONValue { state.withLock { $0.actions[id] ?? .null } }

    private func settle(_ id: Int, failing code: String? = nil) {
        state.withLock { state in
            var action = state.actions[id]?.objectValue ?? [:]
            action["status"] = code == nil ? "success" : "error"
            action["progress"] = 100
            action["finished"] = Self.time
            if let code { action["error"] = ["code": .string(code), "message": "there is none at present"] }
            state.actions[id] = .object(action)
        }
    }
}

extension StandInCloud.Fate {
    fileprivate var lacksRunc: Bool { if case .lacksRunc = self { true } else { false } }
}

// MARK: - What it has

extension StandInCloud {
    private static let time: JSONValue = "2026-01-30T23:55:00+00:00"
    private static let locationNames = ["fsn1", "nbg1", "hel1"]

    private var images: [JSONValue] {
        [Self.image(1, "debian-12", "x86"), Self.image(2, "debian-12", "arm")]
            + state.withLock { $0.images.values.sorted { $0["id"]?.intValue ?? 0 < $1["id"]?.intValue ?? 0 } }
    }

    private static let types = [
        type(1, "cx23", 2, 4, "x86", ["fsn1", "nbg1"]), type(2, "cpx22", 2, 4, "x86", ["nbg1", "hel1"]),
        type(3, "cx43", 8, 16, "x86", ["fsn1", "nbg1", "hel1"]), type(4, "cax11", 2, 4, "arm", ["fsn1", "hel1"]),
    ]

    private static func type(
        _ id: Int, _ name: String, _ cores: Int, _ memory: Int, _ architecture: String, _ locations: [String]
    ) -> JSONValue {
        let price: JSONValue = ["net": "1.0", "gross": "1.19"]
        return [
            "id": .integer(id), "name": .string(name), "description": .string(name), "cores": .integer(cores),
            "memory": .integer(memory), "disk": 40, "architecture": .string(architecture), "cpu_type": "shared",
            "storage_type": "local", "deprecated": false, "category": "regular",
            "locations": .array(
                locations.enumerated().map { ["id": .integer($0 + 1), "name": .string($1), "deprecation": .null] }),
            "prices": .array(
                locations.map {
                    [
                        "location": .string($0), "price_hourly": price, "price_monthly": price,
                        "price_per_tb_traffic": price, "included_traffic": 0,
                    ]
                }),
        ]
    }

    private static func location(_ name: String) -> JSONValue {
        [
            "id": .integer((locationNames.firstIndex(of: name) ?? 0) + 1), "name": .string(name),
            "description": .string(name), "city": "Falkenstein", "country": "DE", "latitude": 50.5, "longitude": 12.4,
            "network_zone": "eu-central",
        ]
    }

    private static func image(
        _ id: Int, _ name: String?, _ architecture: String, type: String = "system", description: String = "Debian 12"
    ) -> JSONValue {
        [
            "id": .integer(id), "name": name.json, "description": .string(description), "type": .string(type),
            "status": "available", "architecture": .string(architecture), "os_flavor": "debian", "os_version": "12",
            "disk_size": 10, "image_size": .null, "created": time, "created_from": .null, "bound_to": .null,
            "deleted": .null, "deprecated": .null, "labels": [:], "protection": ["delete": false],
            "rapid_deploy": true,
        ]
    }

    private func json(_ server: Server) -> JSONValue {
        let place = Self.location(server.location)
        let type = Self.types.first { $0["name"]?.stringValue == server.type } ?? .null
        return [
            "id": .integer(server.id), "name": .string(server.name), "status": .string(server.status),
            "labels": server.labels.json, "created": Self.time, "location": place, "server_type": type,
            "datacenter": [
                "id": 1, "name": .string("\(server.location)-dc1"), "description": "a data centre", "location": place,
                "server_types": ["supported": [], "available": [], "available_for_migration": []],
            ],
            "image": images.first {
                $0["name"]?.stringValue == server.image || $0["id"]?.intValue == Int(server.image)
            } ?? .null,
            "public_net": [
                "ipv4": [
                    "id": .integer(server.id), "ip": .string(server.address), "blocked": false,
                    "dns_ptr": "server.example",
                ],
                "ipv6": .null, "floating_ips": [], "firewalls": [],
            ],
            "private_net": [], "iso": .null, "backup_window": .null, "rescue_enabled": false, "locked": false,
            "included_traffic": 0, "ingoing_traffic": 0, "outgoing_traffic": 0, "primary_disk_size": 40,
            "protection": ["delete": false, "rebuild": false], "volumes": [], "load_balancers": [],
            "placement_group": .null,
        ]
    }
}
