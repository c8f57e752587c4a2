import Foundation
import Glibc
import LianSystem

package struct SSHServerOptions: Sendable {
    package enum HostKeyType: String, Sendable {
        case ed25519, ecdsa, rsa
    }

    package var hostKeys: [HostKeyType] = [.ed25519]
    /// Lines as in authorized_keys.
    package var authorizedKeys: [String] = []
    /// What a session finds in its environment.
    package var environment: [String: String] = [:]
    /// Further lines of sshd_config.
    package var configuration: [String] = []
    /// The port, where a test must know it before; else a free one.
    package var port: Int?

    package init(
        hostKeys: [HostKeyType] = [.ed25519], authorizedKeys: [String] = [], environment: [String: String] = [:],
        configuration: [String] = [], port: Int? = nil
    ) {
        self.hostKeys = hostKeys
        self.authorizedKeys = authorizedKeys
        self.environment = environment
        self.configuration = configuration
        self.port = port
    }
}

/// A real sshd on loopback, for the user that runs the tests.
package struct SSHServer: Sendable {
    package let host = "127.0.0.1"
    package let port: Int
    package let user: String
    package let folder: URL
    /// As in authorized_keys, one for each type that was asked for.
    package let hostKeyLines: [String]
    package let pid: pid_t
    fileprivate let marker: String

    package var log: String { (try? String(contentsOf: folder.appending(path: "log"), encoding: .utf8)) ?? "" }

    /// Adds a user key; sshd reads the file anew for every connection.
    package func authorize(_ line: String) throws {
        let file = folder.appending(path: "authorized_keys")
        let lines = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        try (lines + line + "\n").write(to: file, atomically: true, encoding: .utf8)
    }

    /// The processes that serve a connection each.
    package func sessionPIDs() -> [pid_t] { children(of: pid) }

    /// The processes that were started through it and still run, those that left their session too.
    package func startedPIDs() -> [pid_t] {
        allProcesses().filter { $0 != pid && environment(of: $0).contains("LIAN_TEST_SERVER=\(marker)") }
    }
}

package struct FixtureError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Runs sshd for the length of the body. Whatever was started through it is gone afterwards, detached or not.
package func withSSHServer<Result>(
    _ options: SSHServerOptions = SSHServerOptions(), _ body: (SSHServer) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        let server = try await startSSHServer(options, folder)
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(server))
        } catch {
            result = .failure(error)
        }
        stop(server)
        return try result.get()
    }
}

private func startSSHServer(_ options: SSHServerOptions, _ folder: URL) async throws -> SSHServer {
    // sshd as root locks itself into this folder; the service's start would have made it.
    if geteuid() == 0, mkdir("/run/sshd", 0o755) != 0, errno != EEXIST { throw FixtureError("cannot make /run/sshd") }
    var keyLines: [String] = []
    var configuration = options.configuration
    for type in options.hostKeys {
        let path = folder.appending(path: "host_\(type.rawValue)").path
        keyLines.append(try await makeSSHKey(path, ["-t", type.rawValue]))
        configuration.append("HostKey \(path)")
    }
    let marker = UUID().uuidString
    // A home of its own keeps the rc files of the login shell out, which cost every command a tenth of a second.
    let environment = ["HOME": folder.path, "PATH": "/usr/sbin:/usr/bin:/bin", "LIAN_TEST_SERVER": marker]
        .merging(options.environment) { $1 }
    configuration += [
        "AuthorizedKeysFile \(folder.path)/authorized_keys", "PidFile none", "UsePAM no", "StrictModes no",
        "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "PrintMotd no",
        "UseDNS no", "MaxSessions 64", "MaxStartups 200", "LogLevel VERBOSE",
        "SetEnv " + environment.sorted { $0.key < $1.key }.map { "\"\($0.key)=\($0.value)\"" }.joined(separator: " "),
    ]
    try (options.authorizedKeys.map { $0 + "\n" }.joined())
        .write(to: folder.appending(path: "authorized_keys"), atomically: true, encoding: .utf8)
    let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"

    // A free port can be taken by another before sshd has it.
    for _ in 0..<5 {
        let port = try options.port ?? freePort()
        let file = folder.appending(path: "sshd_config")
        try (["ListenAddress 127.0.0.1:\(port)"] + configuration).joined(separator: "\n")
            .appending("\n").write(to: file, atomically: true, encoding: .utf8)
        let log = FileDescriptor(
            owning: open(folder.appending(path: "log").path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600))
        let pid = try spawnChild(
            Command(
                "/usr/sbin/sshd", ["-D", "-e", "-f", file.path],
                environment: ["PATH": "/usr/sbin:/usr/bin:/bin", "LIAN_TEST_SERVER": marker]),
            streams: StandardStreams(error: log.raw))
        let server = SSHServer(
            port: port, user: user, folder: folder, hostKeyLines: keyLines, pid: pid, marker: marker)
        let isUp = await eventually {
            server.log.contains("Server listening") || waitpid(pid, nil, WNOHANG) == pid
        }
        if isUp, server.log.contains("Server listening") { return server }
        stop(server)
        guard server.log.contains("Address already in use"), options.port == nil else {
            throw FixtureError("sshd did not start: \(server.log)")
        }
    }
    throw FixtureError("no free port for sshd")
}

private func stop(_ server: SSHServer) {
    // sshd's own processes write their titles over their environment: they are told by whose children they are, and
    // while they still are. What they started may have left them, but it carries the marker.
    var family = [server.pid]
    var next = 0
    while next < family.count {
        let pid = family[next]
        family += children(of: pid)
        next += 1
    }
    kill(server.pid, SIGTERM)
    // One that a test stopped in its tracks hears nothing else.
    kill(server.pid, SIGCONT)
    waitpid(server.pid, nil, 0)
    for pid in family.dropFirst() { kill(pid, SIGKILL) }
    for pid in allProcesses() where environment(of: pid).contains("LIAN_TEST_SERVER=\(server.marker)") {
        kill(pid, SIGKILL)
    }
}

/// Makes a key pair and answers its public half as a line of authorized_keys.
@discardableResult
package func makeSSHKey(_ path: String, _ options: [String], passphrase: String = "") async throws -> String {
    try await runTool("/usr/bin/ssh-keygen", ["-q", "-f", path, "-N", passphrase, "-C", ""] + options)
    return try String(contentsOfFile: path + ".pub", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Runs a program that must succeed, and answers its output.
@discardableResult
package func runTool(
    _ path: String, _ arguments: [String], environment: [String: String] = [:], input: String = ""
) async throws -> String {
    let command = Command(
        path, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/bin"].merging(environment) { $1 })
    let result = try await run(command, input: .bytes(Array(input.utf8)), deadline: .seconds(60))
    guard result.termination.isSuccess else {
        throw FixtureError("\(path) \(arguments.joined(separator: " ")) failed: \(result.errorText)")
    }
    return result.outputText
}

/// A TCP port of loopback that nobody listens at just now.
package func freePort() throws -> Int {
    let listener = try ListeningSocket(port: 0)
    return listener.port
}

private func environment(of pid: pid_t) -> [String] {
    guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return [] }
    return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
}
