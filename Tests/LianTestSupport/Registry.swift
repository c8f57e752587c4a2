import Foundation
import LianModel
import LianSystem

/// A real registry on loopback that takes every push.
package struct Registry: Sendable {
    package let port: Int
    package var host: String { "127.0.0.1:\(port)" }

    /// The digest under which it keeps the manifest of `repository:tag`; nil where it has none.
    package func digest(of repository: String, tag: String) async throws -> String? {
        let media = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        let answer = try await exchange(
            port: port, "GET", "/v2/\(repository)/manifests/\(tag)", headers: ["Accept": media])
        return answer.status == 200 ? answer.headers["docker-content-digest"] : nil
    }
}

/// Runs a registry for the length of the body.
package func withRegistry<Result>(_ body: (Registry) async throws -> Result) async throws -> Result {
    try await withTemporaryFolder { folder in
        let configuration = folder.appending(path: "registry.yml")
        let settings = """
            version: 0.1
            log: { level: info }
            storage: { filesystem: { rootdirectory: \(folder.path)/storage } }
            http: { addr: "127.0.0.1:0" }
            """
        try settings.write(to: configuration, atomically: true, encoding: .utf8)
        let process = try RunningProcess(
            Command("/usr/bin/docker-registry", ["serve", configuration.path], environment: ["PATH": "/usr/bin:/bin"]),
            outputFile: folder.appending(path: "registry.log"))
        defer { process.stop() }
        return try await body(Registry(port: try await number(after: "listening on 127.0.0.1:", in: process)))
    }
}
