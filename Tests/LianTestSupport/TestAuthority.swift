import Foundation
import Glibc
import LianSystem

/// An authority of a test's own, which certifies servers of the test's own.
package struct TestAuthority: Sendable {
    /// The authority's certificate, in PEM.
    package let certificate: String
    private let key: String
    private let folder: URL

    private static let openssl = "/usr/bin/openssl"
    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    /// What a server shows, and the key to it, which is its owner's alone.
    package struct Server: Sendable {
        package let certificate: String
        package let key: String

        /// For lian-orchestrator.
        package var flags: [String] { ["--tls-certificate", certificate, "--tls-key", key] }
    }

    package init(in folder: URL, named name: String = "authority") async throws {
        self.folder = folder
        certificate = folder.appending(path: "\(name).pem").path
        key = folder.appending(path: "\(name)-key.pem").path
        _ = try await runTool(
            Self.openssl,
            ["req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-keyout", key, "-out", certificate] + Self.newKey)
    }

    /// A server with these names, as OpenSSL writes them. Where the days are negative, its time is over.
    package func server(
        _ name: String = "server", names: String = "DNS:localhost,IP:127.0.0.1", days: Int = 2
    ) async throws -> Server {
        let server = Server(
            certificate: folder.appending(path: "\(name).pem").path, key: folder.appending(path: "\(name)-key.pem").path
        )
        let request = folder.appending(path: "\(name)-request.pem").path
        _ = try await runTool(
            Self.openssl,
            [
                "req", "-subj", "/CN=localhost", "-addext", "subjectAltName=\(names)", "-keyout", server.key, "-out",
                request,
            ] + Self.newKey)
        _ = try await runTool(
            Self.openssl,
            [
                "x509", "-req", "-in", request, "-CA", certificate, "-CAkey", key, "-set_serial",
                String(Int.random(in: 1...Int.max)), "-days", String(days), "-copy_extensions", "copy", "-out",
                server.certificate,
            ])
        chmod(server.key, 0o600)
        return server
    }
}

/// OpenSSL's own server on a free port of 127.0.0.1.
package final class TLSServer: Sendable {
    /// Answers each request with a page about itself; or answers nothing, and tells what it was sent in its output.
    package enum Manner: String, Sendable { case answers, tells }

    package let port: Int
    private let process: RunningProcess

    package static func start(_ server: TestAuthority.Server, _ manner: Manner, in folder: URL) async throws
        -> TLSServer
    {
        // One that answers nothing sends what it reads, and ends where there is nothing to read.
        let line = "tail -f /dev/null | openssl s_server -accept 127.0.0.1:0 \"$@\""
        let flags = ["-key", server.key, "-cert", server.certificate] + (manner == .answers ? ["-www"] : [])
        let process = try RunningProcess(
            Command("/bin/sh", ["-c", line, "sh"] + flags, environment: ["PATH": "/usr/bin:/bin"]),
            outputFile: folder.appending(path: "tls-server-\(UUID().uuidString).log"))
        do {
            return TLSServer(port: try await number(after: "ACCEPT 127.0.0.1:", in: process), process: process)
        } catch {
            process.stop()
            throw error
        }
    }

    private init(port: Int, process: RunningProcess) {
        self.port = port
        self.process = process
    }

    package var url: String { "https://127.0.0.1:\(port)" }
    package var output: String { process.output }
    package func stop() { process.stop() }
}
