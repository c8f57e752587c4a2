import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport

@testable import LianOrchestrator

/// Three members of LXD on loopback, from Debian's packages, with the image of runners that scripts/runner-image makes of
/// this machine's programs: scripts/lib/cluster makes it.
final class Cluster: Sendable {
    static let image = "lian-runner"
    static let names = ["c1", "c2", "c3"]

    let folder: URL
    /// The first bytes of the members' addresses: no other cluster on this machine has them.
    private let network: String
    static let pool = "data"

    private init(in folder: URL) async throws {
        self.folder = folder
        try await Self.script("make", folder)
        network = try String(contentsOf: folder.appending(path: "network"), encoding: .utf8)
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

    /// The member that decides for the cluster.
    func leader() async throws -> String {
        let members = try await get("/1.0/cluster/members?recursion=1").arrayValue ?? []
        let leads = members.first { $0["roles"]?.arrayValue?.contains("database-leader") == true }
        guard let name = leads?["server_name"]?.stringValue else { throw FixtureError("nobody leads: \(members)") }
        return name
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
        try await Self.script("profile", folder, [name, "\(registry.port)"])
        return name
    }

    func letReach(_ place: String, by profile: String) async throws {
        try await lxc(
            [
                "profile", "device", "add", profile, place.replacing(":", with: "-"), "proxy", "bind=instance",
                "listen=tcp:\(place)", "connect=tcp:\(place)",
            ])
    }

    func removeProfile(_ name: String) async throws { try await lxc(["profile", "delete", name]) }

    /// Whether a member sees all of them, and each has a vote: one that has come back is there for some seconds before,
    /// and a cluster that loses another one in that time has lost its majority.
    func isWhole(at member: String) async -> Bool {
        let members = try? await get("/1.0/cluster/members?recursion=1", at: member).arrayValue
        return members?.count == Self.names.count
            && members?.allSatisfy {
                $0["status"] == "Online" && $0["roles"]?.arrayValue?.contains("database") == true
            } == true
    }

    /// How all instances are.
    func statuses(at member: String = "c1") async throws -> [String] {
        let list = try await get("/1.0/instances?recursion=1", at: member)
        return list.arrayValue?.compactMap { $0["status"]?.stringValue } ?? []
    }

    /// All custom volumes.
    func volumes(at member: String = "c1") async throws -> [LXDVolume] {
        let list = try await get("/1.0/storage-pools/\(Self.pool)/volumes/custom?recursion=1", at: member)
        return list.arrayValue?.compactMap(LXDVolume.init) ?? []
    }

    /// Where its files are, as the member's daemon sees them.
    func folder(of volume: LXDVolume) -> String {
        let pid = daemon(of: volume.member).map(String.init) ?? "none"
        return "/proc/\(pid)/root\(home(of: volume.member))/storage-pools/\(Self.pool)/custom/default_\(volume.name)"
    }

    // MARK: - Servers of clouds that are stood in for

    /// A container that stands in for a server of that address.
    func bootServer(
        _ container: String, at address: String, userData: String?, lacksRunc: Bool, profiles: [String]
    ) async throws {
        try await lxc(
            ["init", Self.image, container, "--ephemeral", "--config", "security.nesting=true"]
                + ["--config", "limits.memory=2GiB"]
                + (userData.map { ["--config", "cloud-init.user-data=\($0)"] } ?? [])
                + profiles.flatMap { ["--profile", $0] })
        try await lxc([
            "config", "device", "add", container, "ssh", "proxy", "listen=tcp:\(address):22",
            "connect=tcp:127.0.0.1:22",
        ])
        if lacksRunc {
            let runc = findExecutable("runc", path: systemPrograms) ?? "/usr/sbin/runc"
            try await lxc(["file", "delete", "\(container)\(runc)"])
        }
        try await lxc(["start", container])
    }

    func endServer(_ container: String) async {
        _ = await eventually {
            _ = try? await lxc(["delete", "--force", container])
            return (try? await instances().contains(container)) == false
        }
    }

    // MARK: - Members

    func start(_ member: String) async throws { try await Self.script("start", folder, [member]) }

    /// kill -9 of the daemon alone: its containers live on.
    func killDaemon(of member: String) {
        if let pid = daemon(of: member) { kill(pid, SIGKILL) }
    }

    private func daemon(of member: String) -> pid_t? {
        let file = folder.appending(path: "\(member).pid")
        return (try? String(contentsOf: file, encoding: .utf8)).flatMap { pid_t($0.dropLast()) }
    }

    /// As where the whole machine dies: the daemon, its containers, its proxies.
    func killHost(of member: String) async throws { try await Self.script("kill", folder, [member]) }

    // MARK: - The whole

    /// Makes the cluster for the length of the body, and takes it down whole.
    static func with<Result>(_ body: (Cluster) async throws -> Result) async throws -> Result {
        try await withShortTemporaryFolder { folder in
            let result: Swift.Result<Result, any Error>
            do {
                result = .success(try await body(try await Cluster(in: folder)))
            } catch {
                result = .failure(error)
            }
            try await script("unmake", folder)
            return try result.get()
        }
    }

    private static func script(_ command: String, _ folder: URL, _ arguments: [String] = []) async throws {
        let path = Project.root.appending(path: "scripts/lib/cluster").path
        let environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? systemPrograms]
        let done = try await run(
            Command(path, [command, folder.path] + arguments, environment: environment), deadline: .seconds(600))
        guard done.termination.isSuccess else { throw FixtureError("cluster \(command): \(done.errorText)") }
    }
}
