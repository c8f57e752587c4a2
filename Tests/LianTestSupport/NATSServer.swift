import Foundation
import Glibc
import LianSystem

/// A real nats-server on a free port of 127.0.0.1, with a folder of its own.
package final class NATSServer: Sendable {
    package static let executable = findExecutable("nats-server", path: "/usr/sbin:/usr/bin:/usr/local/bin")

    /// A user's seed and its public key as nats-io's own tools made them.
    package static let userSeed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
    package static let userPublicKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

    package let port: Int
    private let process: RunningProcess
    private let folder: URL
    private let configuration: String

    /// The configuration without its listen line; relative paths in it start from the folder.
    package static func start(_ configuration: String, in folder: URL, port: Int? = nil) async throws -> NATSServer {
        guard let executable else { throw SystemError("nats-server", ENOENT) }
        let file = folder.appending(path: "nats.conf")
        try "listen: \"127.0.0.1:\(port ?? -1)\"\n\(configuration)\n".write(to: file, atomically: true, encoding: .utf8)
        let output = folder.appending(path: "nats-\(UUID().uuidString).log")
        let process = try RunningProcess(
            Command(executable, ["-c", file.path], environment: ["HOME": folder.path], workingDirectory: folder.path),
            outputFile: output)
        do {
            let port = try await number(after: "Listening for client connections on 127.0.0.1:", in: process)
            guard await eventually({ process.output.contains("Server is ready") }) else {
                throw ProcessNotReady(waitedFor: "Server is ready", output: process.output)
            }
            return NATSServer(port: port, process: process, folder: folder, configuration: configuration)
        } catch {
            process.stop()
            throw error
        }
    }

    private init(port: Int, process: RunningProcess, folder: URL, configuration: String) {
        self.port = port
        self.process = process
        self.folder = folder
        self.configuration = configuration
    }

    package var url: String { "nats://127.0.0.1:\(port)" }
    package var log: String { process.output }

    /// Stops it in its tracks: its sockets stay open and say nothing.
    package func pause() { process.pause() }
    package func goOn() { process.goOn() }
    package func stop() { process.stop() }

    /// The same server again, on the same port.
    package func startAgain() async throws -> NATSServer {
        try await NATSServer.start(configuration, in: folder, port: port)
    }
}

package func withNATSServer<Result>(
    _ configuration: String = "", _ body: (NATSServer) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        let server = try await NATSServer.start(configuration, in: folder)
        defer { server.stop() }
        return try await body(server)
    }
}
