import Foundation
import LianModel
import LianSystem

/// A real Prometheus on a free port of 127.0.0.1, with a folder of its own.
package struct Prometheus: Sendable {
    private static let path = "/usr/bin:/usr/local/bin"
    package static let executable = findExecutable("prometheus", path: path)
    package static let promtool = findExecutable("promtool", path: path) ?? "promtool"

    package let port: Int
    private let process: RunningProcess

    package var log: String { process.output }

    /// The answer to a query of the form that Grafana sends: `data` of a success, else an error.
    package func query(_ text: String) async throws -> JSONValue {
        let answer = try await exchange(port: port, "GET", "/api/v1/query?query=\(percentEncoded(text))")
        guard answer.status == 200, answer.json["status"] == "success", let data = answer.json["data"] else {
            throw FixtureError("\(text): \(answer.json.encoded())")
        }
        return data
    }

    /// How many series the query gives.
    package func series(_ text: String) async throws -> Int {
        try await query(text)["result"]?.arrayValue?.count ?? 0
    }

    fileprivate init(_ configuration: String, in folder: URL) async throws {
        guard let executable = Self.executable else { throw SystemError("prometheus", ENOENT) }
        let file = folder.appending(path: "prometheus.yml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        process = try RunningProcess(
            Command(
                executable,
                [
                    "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.path)/data",
                    "--web.listen-address=127.0.0.1:0",
                ], environment: ["HOME": folder.path], workingDirectory: folder.path),
            outputFile: folder.appending(path: "prometheus.log"))
        do {
            port = try await number(after: "msg=\"Listening on\" address=127.0.0.1:", in: process)
            let process = process
            guard await eventually({ process.output.contains("Server is ready to receive web requests") }) else {
                throw ProcessNotReady(waitedFor: "Server is ready", output: process.output)
            }
        } catch {
            process.stop()
            throw error
        }
    }

    fileprivate func stop() { process.stop() }
}

/// Runs Prometheus for the length of the body. Paths in the configuration start from its folder, in which the files are.
package func withPrometheus<Result>(
    _ configuration: String, files: [String: String] = [:], _ body: (Prometheus) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        for (name, text) in files {
            try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
        }
        let server = try await Prometheus(configuration, in: folder)
        defer { server.stop() }
        return try await body(server)
    }
}
