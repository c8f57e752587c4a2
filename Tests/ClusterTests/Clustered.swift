import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Runners on real clusters. Each of these has one of its own, which its tests share, one at a time: most of them wait for
/// the cluster most of the time, so that all go on side by side.
enum Clustered {
    /// Members that die and come back, and what is told of them.
    @Suite(.serialized, .needsLXD, .clustered, .whole) enum Members {}
    /// Builds, also while members die.
    @Suite(.serialized, .needsLXD, .clustered, .whole) enum Builds {}
    /// Volumes on the pools of the members.
    @Suite(.serialized, .needsLXD, .clustered, .whole) enum Volumes {}
    /// Runners as they are made, wait, and are found again.
    @Suite(.serialized, .needsLXD, .clustered) enum Runners {}
    /// Hetzner Cloud, whose servers are containers of the cluster.
    @Suite(.serialized, .needsLXD, .clustered) enum HCloud {}
    /// Proxmox VE, whose virtual machines are containers of the cluster.
    @Suite(.serialized, .needsLXD, .clustered) enum Proxmox {}
}

struct ClusterTrait: SuiteTrait, TestScoping {
    @TaskLocal static var current: Cluster?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Cluster.with { cluster in
            try await Self.$current.withValue(cluster, operation: function)
        }
    }
}

/// Each test begins with a cluster that has all of its members, whatever the test before did to them.
struct WholeTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let cluster = try requireCluster()
        guard await eventually({ await cluster.isWhole(at: Cluster.names[0]) }) else {
            throw FixtureError("the cluster does not become whole before \(test.name)")
        }
        try await function()
    }
}

extension Trait where Self == ClusterTrait {
    static var clustered: ClusterTrait { ClusterTrait() }
}

extension Trait where Self == WholeTrait {
    static var whole: WholeTrait { WholeTrait() }
}

/// What one test has of the cluster: a caller, and a provider with marks of its own.
struct ClusterScene: RunnerScene {
    let cluster: Cluster
    let folder: URL
    let caller: Caller
    let provider: LXDProvider
    let orchestrator: String
    /// Of the runners that were made.
    let places = Guarded<[String: RunnerPlace]>([:])

    init(cluster: Cluster, folder: URL, caller: Caller, provider: LXDProvider, orchestrator: String) {
        self.cluster = cluster
        self.folder = folder
        self.caller = caller
        self.provider = provider
        self.orchestrator = orchestrator
    }

    func order(_ runnerID: String, memoryMB: Int = 512) throws -> RunnerOrder {
        var request = caller.order(memoryMB: memoryMB)
        request.size.cpu = 1
        return RunnerOrder(
            runnerID: runnerID, request: request, key: try #require(SSHPublicKey(line: caller.publicKey)))
    }

    /// Makes a runner that someone wants until the end.
    func create(_ runnerID: String, by provider: LXDProvider? = nil, memoryMB: Int = 512) async throws -> ReadyRunner {
        let runner = try await make(try order(runnerID, memoryMB: memoryMB), by: provider ?? self.provider)
        places.update {
            $0[runnerID] = RunnerPlace(
                host: runner.host, port: runner.port, user: runner.user, hostKeys: [], workDir: runner.workDir,
                buildkitAddress: nil)
        }
        return runner
    }

    func isAlive(_ runnerID: String) throws -> Bool { try provider.isAlive(runnerID, at: places.value[runnerID]) }
}

/// What a test has of whoever makes its runners.
protocol RunnerScene: Sendable {
    associatedtype Provider: RunnerProvider
    var provider: Provider { get }
}

extension RunnerScene {
    func id() -> String { "r-\(UUID().uuidString.lowercased().prefix(8))" }

    func destroy(_ runnerID: String) async throws {
        _ = try await onOwnThread { [provider] in
            Result { () throws(ProviderError) in try provider.destroy(runnerID) }
        }.get()
    }
}

/// Makes a runner that someone wants until the end.
func make(_ order: RunnerOrder, by provider: any RunnerProvider) async throws -> ReadyRunner {
    let place = try await onOwnThread {
        Result { () throws(ProviderError) in try provider.create(order, isWanted: { true }) }
    }.get()
    var answer = RunnerAnswer(runnerID: order.runnerID, state: .ready, workspace: order.request.workspace)
    answer.host = place.host
    answer.port = place.port
    answer.user = place.user
    answer.hostKeys = place.hostKeys
    answer.workDir = place.workDir
    return try ReadyRunner(answer)
}

/// Why such a runner is not made.
func problem(making order: RunnerOrder, by provider: any RunnerProvider) async throws -> String {
    do {
        _ = try await make(order, by: provider)
    } catch let error as ProviderError {
        return error.description
    }
    throw FixtureError("\(order.runnerID) was made")
}

/// A scene of one test, which leaves nothing behind. By the socket of a member, or through a door before it, unless the
/// configuration says otherwise.
func withCluster(
    socket: String? = nil, limits: LXDProvider.Limits = LXDProvider.Limits(),
    config fields: (Cluster, URL) async throws -> [String: JSONValue] = { _, _ in [:] },
    _ body: (ClusterScene) async throws -> Void
) async throws {
    let cluster = try requireCluster()
    try await withTemporaryFolder { folder in
        let orchestrator = "o-\(UUID().uuidString.lowercased().prefix(8))"
        var fields = try await fields(cluster, folder)
        if fields["endpoints"] == nil { fields["socket"] = .string(socket ?? cluster.socket(of: "c1")) }
        let config = try clusterConfig(fields)
        var key: [UInt8] = []
        if case .network(let network) = config.door, case .file(let path) = network.key {
            key = try readFile(path, limit: 1 << 20)
        }
        let provider = try await onOwnThread { [key] in
            Result { () throws(ProviderError) in
                try LXDProvider(name: "lxd", config, key: key, orchestrator: orchestrator, limits: limits)
            }
        }.get()
        let scene = ClusterScene(
            cluster: cluster, folder: folder, caller: try await Caller(in: folder), provider: provider,
            orchestrator: orchestrator)
        try await body(scene)
        let left = try await cluster.instances().filter { $0.hasPrefix("lian-") }
        guard left.isEmpty else { throw FixtureError("left behind: \(left)") }
    }
}

func clusterConfig(_ fields: [String: JSONValue]) throws -> LXDConfig {
    let all = fields.merging(["kind": "lxd", "image": .string(Cluster.image)]) { given, _ in given }
    return try #require(try ProviderConfig(JSONNode(.object(all))).lxd)
}

/// The file of an orchestrator with this provider alone.
func writeConfig(_ provider: [String: JSONValue], in folder: URL) throws -> String {
    let file = folder.appending(path: "orchestrator.json").path
    try writeFile(file, JSONValue.object(["providers": [.object(provider)]]).encoded())
    return file
}

/// To all members, by a certificate of its own that the cluster trusts.
func networkConfig(_ cluster: Cluster, in folder: URL) async throws -> [String: JSONValue] {
    let certificate = folder.appending(path: "client.crt").path
    let key = folder.appending(path: "client.key").path
    _ = try await runTool(
        "/usr/bin/openssl",
        [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-days", "2",
            "-subj", "/CN=lian", "-keyout", key, "-out", certificate,
        ])
    try await cluster.lxc(["config", "trust", "add", certificate])
    return [
        "kind": "lxd", "image": .string(Cluster.image), "memory_reserve_gb": 1,
        "endpoints": Cluster.names.map(cluster.url).json, "client_certificate": .string(certificate),
        "client_key": ["via": "file", "path": .string(key)],
        "server_certificate": .string(cluster.certificate),
    ]
}

func requireCluster() throws -> Cluster { try #require(ClusterTrait.current) }

/// The orchestrator's program, until it ends by itself.
func orchestrate(
    _ arguments: [String], in folder: URL, environment: [String: String] = [:],
    within limit: Duration = .seconds(600)
) async throws -> SubprocessResult {
    try await run(
        Command(
            Project.executable("lian-orchestrator"), arguments + ["--state", folder.path],
            environment: ["PATH": systemPrograms].merging(environment) { $1 }), deadline: limit)
}
