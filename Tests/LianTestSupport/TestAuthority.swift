import Foundation
import Glibc
import LianSystem

/// An authority of a test's own, which certifies servers of the test's own.
package final class TestAuthority: Sendable {
    /// The authority's certificate, in PEM.
    package let certificate: String
    private let key: String
    private let folder: URL
    private let above: TestAuthority?

    private static let openssl = "/usr/bin/openssl"
    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    /// What a server shows, and the key to it, which is its owner's alone.
    package struct Server: Sendable {
        package let certificate: String
        package let key: String

        /// For lian-orchestrator.
        package var flags: [String] { ["--tls-certificate", certificate, "--tls-key", key] }
    }

    package convenience init(in folder: URL, named name: String = "authority") async throws {
        self.init(in: folder, name: name, above: nil)
        _ = try await runTool(
            Self.openssl,
            ["req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-keyout", key, "-out", certificate] + Self.newKey)
    }

    private init(in folder: URL, name: String, above: TestAuthority?) {
        self.folder = folder
        self.above = above
        certificate = folder.appending(path: "\(name).pem").path
        key = folder.appending(path: "\(name)-key.pem").path
    }

    /// An authority below this one. Its servers show its certificate too.
    package func authority(named name: String) async throws -> TestAuthority {
        let below = TestAuthority(in: folder, name: name, above: self)
        try await certify(name, below.certificate, below.key, extension: "basicConstraints=critical,CA:TRUE", days: 2)
        return below
    }

    /// A server with these names, as OpenSSL writes them. Where the days are negative, its time is over.
    package func server(
        _ name: String = "server", names: String = "DNS:localhost,IP:127.0.0.1", days: Int = 2
    ) async throws -> Server {
        let server = Server(
            certificate: folder.appending(path: "\(name).pem").path,
            key: folder.appending(path: "\(name)-key.pem").path)
        try await certify(
            "localhost", server.certificate, server.key, extension: "subjectAltName=\(names)", days: days)
        if above != nil {
            let chain = try [server.certificate, certificate].map { try String(contentsOfFile: $0, encoding: .utf8) }
            try chain.joined().write(toFile: server.certificate, atomically: true, encoding: .utf8)
        }
        chmod(server.key, 0o600)
        return server
    }

    /// Makes a key and a certificate for it.
    private func certify(
        _ subject: String, _ file: String, _ newKey: String, extension: String, days: Int
    ) async throws {
        let request = try await runTool(
            Self.openssl,
            ["req", "-subj", "/CN=\(subject)", "-addext", `extension`, "-keyout", newKey] + Self.newKey)
        _ = try await runTool(
            Self.openssl,
            [
                "x509", "-req", "-CA", certificate, "-CAkey", key, "-set_serial", String(Int.random(in: 1...Int.max)),
                "-days", String(days), "-copy_extensions", "copy", "-out", file,
            ], input: request)
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
