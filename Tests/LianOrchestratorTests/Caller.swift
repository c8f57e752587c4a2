import Foundation
import LianModel
import LianSystem
import LianTestSupport

/// Someone with an SSH key who wants a runner.
struct Caller: Sendable {
    let folder: URL
    let publicKey: String

    private var key: String { folder.appending(path: "key").path }

    init(in folder: URL, type: String = "ed25519") async throws {
        self.folder = folder
        publicKey = try await makeSSHKey(folder.appending(path: "key").path, ["-t", type, "-C", "a comment"])
    }

    func order(build: String = "b-1", memoryMB: Int = 1024, lease: Int = 300, budget: Int = 30) -> SpawnRequest {
        SpawnRequest(
            workspace: "acme", buildID: build, attempt: 1, size: WireSize(tier: nil, cpu: 2, memoryMB: memoryMB),
            timeBudgetMinutes: budget, leaseSeconds: lease, sshPublicKey: publicKey)
    }

    /// Runs a command on the runner over real ssh, which trusts the host key of the answer and no other.
    func ssh(
        _ runner: ReadyRunner, _ command: String, options: [String] = [], input: [UInt8] = []
    ) async throws -> SubprocessResult {
        let known = folder.appending(path: "known-\(runner.id)").path
        let keys = runner.hostKeys.map {
            "[\(runner.host)]:\(runner.port) \($0.line)"
        }
        try keys.joined(separator: "\n").write(toFile: known, atomically: true, encoding: .utf8)
        return try await run(
            Command(
                "/usr/bin/ssh",
                [
                    "-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=\(known)", "-o",
                    "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-p", String(runner.port),
                ] + options + ["\(runner.user)@\(runner.host)", command],
                environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path]),
            input: .bytes(input), deadline: .seconds(120))
    }
}
