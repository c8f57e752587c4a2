import Foundation
import Glibc
import LianChannel
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Testing

extension HostKeys {
    static func pinned(lines: [String]) throws -> HostKeys {
        .pinned(try lines.map { try #require(SSHPublicKey(line: $0)) })
    }
}

extension SSHServer {
    var endpoint: SSHEndpoint { SSHEndpoint(host: host, port: port, user: user) }

    func hostKeys() throws -> HostKeys {
        try .pinned(lines: hostKeyLines)
    }

    /// Through another port, where a proxy stands before the server.
    func connect(
        key: SSHKey, port: Int? = nil, hostKeys: HostKeys? = nil, within limit: Duration = .seconds(600),
        retryWhileBooting: Bool = true, onAnswer: @escaping @Sendable (Duration) -> Void = { _ in }
    ) async throws -> SSHConnection {
        try await SSHConnection.connect(
            to: SSHEndpoint(host: host, port: port ?? self.port, user: user), key: key,
            hostKeys: hostKeys ?? self.hostKeys(), deadline: .now + limit, retryWhileBooting: retryWhileBooting,
            onAnswer: onAnswer)
    }
}

/// A server, and a connection to it with a key of its own.
func withConnection<Result>(
    _ options: SSHServerOptions = SSHServerOptions(),
    _ body: (SSHServer, SSHConnection) async throws -> Result
) async throws -> Result {
    try await withSSHServer(options) { server in
        let key = try SSHKey.ephemeral()
        try server.authorize(key.publicKeyLine)
        let connection = try await server.connect(key: key)
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(server, connection))
        } catch {
            result = .failure(error)
        }
        await connection.disconnect()
        return try result.get()
    }
}

struct Finished {
    var output: [UInt8] = []
    var error: [UInt8] = []
    var end: RemoteEnd

    var text: String { String(decoding: output, as: UTF8.self) }
}

extension SSHConnection {
    /// Runs a command to its end.
    func finish(_ command: String, input: [UInt8] = []) async throws -> Finished {
        let channel = try await open(command)
        async let written: Void = {
            if !input.isEmpty { try await channel.write(input) }
            try await channel.closeInput()
        }()
        var finished = Finished(end: RemoteEnd(isClean: false, exitStatus: nil, signal: nil))
        while let piece = try await channel.read() {
            switch piece {
            case .output(let bytes): finished.output += bytes
            case .error(let bytes): finished.error += bytes
            }
        }
        do { try await written } catch is RemoteChannelClosed {}
        finished.end = await channel.close()
        return finished
    }
}

/// The LianError that the body must throw.
func lianError(
    _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> LianError? {
    do {
        try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as LianError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("not a LianError: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}
