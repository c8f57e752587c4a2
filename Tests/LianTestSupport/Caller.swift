import Foundation
import LianModel
import LianSystem

/// Someone with an SSH key who wants a runner.
package struct Caller: Sendable {
    package let folder: URL
    package let publicKey: String

    private var key: String { folder.appending(path: "key").path }

    package init(in folder: URL, type: String = "ed25519") async throws {
        self.folder = folder
        publicKey = try await makeSSHKey(folder.appending(path: "key").path, ["-t", type, "-C", "a comment"])
    }

    package func order(build: String = "b-1", memoryMB: Int = 1024, lease: Int = 300, budget: Int = 30) -> SpawnRequest
    {
        SpawnRequest(
            workspace: "acme", buildID: build, attempt: 1, size: WireSize(tier: nil, cpu: 2, memoryMB: memoryMB),
            timeBudgetMinutes: budget, leaseSeconds: lease, sshPublicKey: publicKey)
    }

    /// Runs a command on the runner over real ssh, which trusts the host key of the answer and no other.
    package func ssh(
        _ runner: ReadyRunner, _ command: String, options: [String] = [], input: [UInt8] = []
    ) async throws -> SubprocessResult {
        let known = folder.appending(path: "known-\(runner.id)").path
        // As ssh calls a server: the port of all others goes without saying.
        let name = runner.port == 22 ? runner.host : "[\(runner.host)]:\(runner.port)"
        let keys = runner.hostKeys.map { "\(name) \($0.line)" }
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

// MARK: - Building on the runner

extension Caller {
    private static let shell = "SHELL [\"/bin/busybox\", \"sh\", \"-c\"]"

    /// Puts a context with busybox and the Dockerfile onto the runner: into its work folder, or the one given.
    package func prepare(_ runner: ReadyRunner, in folder: String? = nil, _ dockerfile: String) async throws {
        let script = "cd \(folder ?? runner.workDir) && mkdir -p c && cp /bin/busybox c/ && cat > c/Dockerfile"
        let text = "FROM scratch\nCOPY busybox /bin/busybox\n\(Self.shell)\n\(dockerfile)\n"
        let result = try await ssh(runner, script, input: Array(text.utf8))
        guard result.termination == .exited(0) else { throw FixtureError(result.errorText) }
    }

    /// Builds that context through the buildctl on the runner's PATH.
    package func build(_ runner: ReadyRunner, in folder: String? = nil, _ flags: String, before: String = ":")
        async throws
        -> SubprocessResult
    {
        try await ssh(
            runner,
            """
            cd \(folder ?? runner.workDir) && \(before) && buildctl build --frontend dockerfile.v0 --local context=c \
            --local dockerfile=c --opt force-network-mode=host --allow network.host --progress plain \(flags)
            """)
    }
}
