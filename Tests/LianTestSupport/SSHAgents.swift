import Foundation
import Glibc
import LianModel
import LianSystem

/// A real ssh-agent.
package struct SSHAgent: Sendable {
    package let socket: String
    fileprivate let pid: pid_t

    package func add(_ key: String, _ options: [String] = []) async throws {
        try await runTool("/usr/bin/ssh-add", ["-q"] + options + [key], environment: ["SSH_AUTH_SOCK": socket])
    }

    /// As authorized_keys has them.
    package func keys() async throws -> String {
        try await runTool("/usr/bin/ssh-add", ["-L"], environment: ["SSH_AUTH_SOCK": socket])
    }

    /// Ends it while something may still want it.
    package func stop() { kill(pid, SIGTERM) }
}

/// Runs an ssh-agent that holds no key yet for the length of the body.
package func withAgent(
    _ folder: URL, environment: [String: String] = [:], _ body: (SSHAgent) async throws -> Void
) async throws {
    let socket = folder.appending(path: "agent").path
    let pid = try spawnChild(
        Command(
            "/usr/bin/ssh-agent", ["-D", "-a", socket],
            environment: ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }),
        streams: StandardStreams())
    defer {
        kill(pid, SIGTERM)
        waitpid(pid, nil, 0)
    }
    // The socket is there a moment before the agent listens at it.
    guard await eventually({ (try? connectUnixSocket(path: socket)) != nil }) else {
        throw FixtureError("ssh-agent does not listen")
    }
    try await body(SSHAgent(socket: socket, pid: pid))
}

/// An agent that says that it has no keys to the first who asks, and to all others what it is told to, without end.
package func endlessAgent(at path: String, saying bytes: [UInt8]) throws -> LoopbackListener {
    try LoopbackListener(path: path) { descriptor, number in
        guard number == 0 else {
            while sendAll(bytes, to: descriptor) {}
            return
        }
        _ = sendAll([0, 0, 0, 5, 12, 0, 0, 0, 0], to: descriptor)
        // Until the other side has read it.
        var rest = [UInt8](repeating: 0, count: 1024)
        while recv(descriptor, &rest, rest.count, 0) > 0 {}
    }
}

/// What of an unencrypted ed25519 key, as ssh-keygen writes it, is nobody's but its owner's: the bytes, and the text that
/// stands for them alone.
package func privateParts(ofKey path: String) throws -> [[UInt8]] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let base64 = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
    guard let bytes = Data(base64Encoded: base64).map(Array.init),
        let start = bytes.indices.first(where: { bytes[$0...].starts(with: [0, 0, 0, 64]) }).map({ $0 + 4 }),
        bytes.count >= start + 32
    else { throw FixtureError("\(path) is no such key") }
    let first = (start + 2) / 3 * 4
    let last = (start + 32) / 3 * 4
    return [Array(bytes[start..<start + 32]), Array(Array(base64.utf8)[first..<last])]
}
