import Foundation
import Glibc
import LianHTTP
import LianModel
import LianSystem
import LianTestSupport
import Synchronization

@testable import LianOrchestrator

/// Three members of LXD on loopback, from Debian's packages, with the image of runners that scripts/runner-image makes of
/// this machine's programs. Each is a daemon in a mount namespace of its own, so that its mounts go with it.
final class Cluster: Sendable {
    static let image = "lian-runner"
    static let names = ["c1", "c2", "c3"]

    let folder: URL
    /// The first bytes of the members' addresses: no other cluster on this machine has them.
    private let network: String
    private let daemons = Mutex<[String: RunningProcess]>([:])

    /// Cluster's least: after so many seconds of silence a member counts as offline.
    private static let offlineSeconds = "11"
    private static let poolSize = "12GiB"

    private init(in folder: URL) {
        self.folder = folder
        network = "127.\(Int.random(in: 64..<250)).\(Int.random(in: 1..<250))"
    }

    func home(of member: String) -> String { folder.appending(path: member).path }
    func address(of member: String) -> String { "\(network).\(member.dropFirst())" }
    /// One on loopback that no member has.
    func address(_ number: Int) -> String { "\(network).\(number)" }
    func url(of member: String) -> String { "https://\(address(of: member)):8443" }
    func socket(of member: String) -> String { "\(home(of: member))/unix.socket" }
    var certificate: String { "\(home(of: "c1"))/cluster.crt" }

    /// `lxc …` at a member, and its output.
    @discardableResult
    func lxc(_ arguments: [String], at member: String = "c1", input: String = "") async throws -> String {
        try await runTool(
            "/usr/bin/lxc", arguments, environment: ["LXD_DIR": home(of: member), "HOME": folder.path], input: input)
    }

    /// What the API answers at a member, by its socket.
    func get(_ path: String, at member: String = "c1") async throws -> JSONValue {
        try JSONValue.parse(try await lxc(["query", path], at: member))
    }

    /// The names of all instances.
    func instances(at member: String = "c1") async throws -> [String] {
        let list = try await get("/1.0/instances?recursion=1", at: member)
        return list.arrayValue?.compactMap { $0["name"]?.stringValue }.sorted() ?? []
    }

    func profile(of registry: Registry) -> String { "registry-\(registry.port)" }

    /// Runners have no network: what they reach is a proxy of the member's, which the profile brings.
    func letReach(_ registry: Registry) async throws -> String {
        let name = profile(of: registry)
        try await lxc(["profile", "create", name])
        let address = "tcp:\(registry.host)"
        try await lxc(
            [
                "profile", "device", "add", name, "registry", "proxy", "bind=instance", "listen=\(address)",
                "connect=\(address)",
            ])
        return name
    }

    func removeProfile(_ name: String) async throws { try await lxc(["profile", "delete", name]) }

    // MARK: - Members

    func start(_ member: String) async throws {
        try FileManager.default.createDirectory(atPath: home(of: member), withIntermediateDirectories: true)
        let daemon = try RunningProcess(
            Command(
                "/usr/bin/unshare",
                [
                    "--mount", "--propagation", "private", "/usr/bin/lxd", "--group", "root", "--logfile",
                    "\(home(of: member))/lxd.log",
                ], environment: ["PATH": systemPrograms, "LXD_DIR": home(of: member), "HOME": folder.path]),
            outputFile: folder.appending(path: "\(member).out"), newSession: true)
        daemons.withLock { $0[member] = daemon }
        let isUp = await eventually {
            let answer = try? await run(
                Command(
                    "/usr/bin/lxc", ["query", "/1.0"],
                    environment: ["PATH": systemPrograms, "LXD_DIR": home(of: member), "HOME": folder.path]),
                deadline: .seconds(20))
            return answer?.termination.isSuccess == true || !daemon.isRunning
        }
        guard isUp, daemon.isRunning else { throw FixtureError("\(member) does not serve: \(daemon.output)") }
    }

    /// kill -9 of the daemon alone: its containers live on.
    func killDaemon(of member: String) {
        daemons.withLock { $0.removeValue(forKey: member) }?.killAlone()
    }

    /// As where the whole machine dies: the daemon, its containers, its proxies.
    func killHost(of member: String) async throws {
        killDaemon(of: member)
        guard await eventually({ endProcesses(of: home(of: member)) }) else {
            throw FixtureError(
                "processes of \(member) live on: \(processes(holding: home(of: member)).map(commandLine))")
        }
    }

    /// Kills whatever belongs to the folder; true where nothing does any more.
    private func endProcesses(of home: String) -> Bool {
        let left = processes(holding: "\(home)/") + processes(holding: "LXD_DIR=\(home)\0", in: "environ")
        let living = left.filter { !hasEnded($0) }
        for pid in living { kill(pid, SIGKILL) }
        return living.isEmpty
    }

    // MARK: - The whole

    private static let profile = "profiles: [{name: default, devices: {root: {type: disk, path: /, pool: data}}}]"

    private func join() async throws {
        try await start("c1")
        try await preseed(
            "c1",
            """
            config: {core.https_address: "\(address(of: "c1")):8443", images.auto_update_interval: 0}
            storage_pools: [{name: data, driver: btrfs, config: {size: \(Self.poolSize)}}]
            \(Self.profile)
            cluster: {server_name: c1, enabled: true}
            """)
        for member in Self.names.dropFirst() {
            let told = try await lxc(["cluster", "add", member])
            let token = told.split(separator: "\n").last ?? ""
            try await start(member)
            try await preseed(
                member,
                """
                cluster: {enabled: true, server_name: \(member), server_address: "\(address(of: member)):8443",
                  cluster_token: "\(token)",
                  member_config: [{entity: storage-pool, name: data, key: size, value: \(Self.poolSize)}]}
                """)
        }
        try await lxc(["config", "set", "cluster.offline_threshold", Self.offlineSeconds])
    }

    private func preseed(_ member: String, _ text: String) async throws {
        _ = try await runTool(
            "/usr/bin/lxd", ["init", "--preseed"],
            environment: ["LXD_DIR": home(of: member), "HOME": folder.path], input: text)
    }

    private func makeImage() async throws -> String {
        let image = folder.appending(path: "runner.tar").path
        _ = try await runTool(
            Project.root.appending(path: "scripts/runner-image").path, ["lxd", "--from-host", "--output", image],
            environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? systemPrograms])
        return image
    }

    /// Makes the cluster for the length of the body, and takes it down whole.
    static func with<Result>(_ body: (Cluster) async throws -> Result) async throws -> Result {
        try await withShortTemporaryFolder { folder in
            let cluster = Cluster(in: folder)
            let result: Swift.Result<Result, any Error>
            do {
                async let image = cluster.makeImage()
                try await cluster.join()
                try await cluster.lxc(["image", "import", try await image, "--alias", Self.image])
                result = .success(try await body(cluster))
            } catch {
                result = .failure(error)
            }
            try await cluster.takeDown()
            return try result.get()
        }
    }

    private func takeDown() async throws {
        // What is there is stopped by the cluster itself where it can, so that nothing of it is left in the kernel.
        if let names = try? await instances() {
            for name in names { _ = try? await lxc(["delete", "--force", name]) }
        }
        for name in Self.names { try await killHost(of: name) }
        removeCgroups()
    }

    /// Those of instances that were killed: nobody else removes them.
    private func removeCgroups() {
        let root = "/sys/fs/cgroup"
        let hierarchies = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        for parent in [root] + hierarchies.map({ "\(root)/\($0)" }) {
            for group in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
            where group.hasPrefix("lxc.") && group.contains(".lian-") || group == "lxc.pivot" {
                removeGroup("\(parent)/\(group)")
            }
        }
    }

    private func removeGroup(_ path: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isFolder), isFolder.boolValue {
                removeGroup("\(path)/\(name)")
            }
        }
        rmdir(path)
    }
}
