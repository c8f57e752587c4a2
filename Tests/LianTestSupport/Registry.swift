import Foundation
import LianModel
import LianSystem

/// A real registry on loopback that takes every push, or only those of one user.
package struct Registry: Sendable {
    package let port: Int
    /// Where it keeps what was pushed.
    package let storage: URL
    private let log: URL
    private let authorization: [String: String]

    package var host: String { "127.0.0.1:\(port)" }

    /// A user with a password, and what htpasswd makes of both: bcrypt is all that the registry reads.
    package struct User: Sendable {
        package let name = "builder"
        package let password = "pass-of-the-registry"
        fileprivate let line = "builder:$2b$05$abcdefghijklmnopqrstuueakZwMHfS9QuOyg3RI.tRGeAbu9FHSy"

        package init() {}
    }

    fileprivate init(port: Int, storage: URL, log: URL, user: User?) {
        self.port = port
        self.storage = storage
        self.log = log
        authorization =
            user.map { ["Authorization": "Basic \(Data("\($0.name):\($0.password)".utf8).base64EncodedString())"] }
            ?? [:]
    }

    /// The digest under which it keeps the manifest of `repository:tag`; nil where it has none.
    package func digest(of repository: String, tag: String) async throws -> String? {
        let answer = try await manifestAnswer(repository, tag)
        return answer.status == 200 ? answer.headers["docker-content-digest"] : nil
    }

    /// The manifest of `repository:tag`, or of several images their list.
    package func manifest(of repository: String, tag: String) async throws -> JSONValue {
        try await manifestAnswer(repository, tag).json
    }

    /// The image's configuration: its labels, its layers' history.
    package func configuration(of repository: String, tag: String) async throws -> JSONValue {
        let manifest = try await manifestAnswer(repository, tag).json
        let digest = manifest["config"]?["digest"]?.stringValue ?? ""
        return try await get("/v2/\(repository)/blobs/\(digest)").json
    }

    /// The file of its own in which it keeps a layer.
    package func file(of digest: String) -> String {
        let hex = digest.drop { $0 != ":" }.dropFirst()
        return storage.appending(path: "docker/registry/v2/blobs/sha256/\(hex.prefix(2))/\(hex)/data").path
    }

    /// Every repository that was ever pushed to, in order.
    package func repositories() async throws -> [String] {
        try await get("/v2/_catalog?n=1000").json["repositories"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// What it has answered, in order: `GET /v2/…`.
    package func requests() throws -> [String] {
        try String(contentsOf: log, encoding: .utf8).split(separator: "\n").compactMap { line in
            // As web servers log: address, time, "METHOD PATH VERSION", status.
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard !line.hasPrefix("time="), parts.count > 2, parts[1].hasSuffix(" HTTP/1.1") else { return nil }
            return parts[1].split(separator: " ").prefix(2).joined(separator: " ")
        }
    }

    func manifestAnswer(_ repository: String, _ tag: String) async throws -> PlainHTTPResponse {
        let media = [
            "oci.image.manifest.v1", "oci.image.index.v1", "docker.distribution.manifest.v2",
            "docker.distribution.manifest.list.v2",
        ].map { "application/vnd.\($0)+json" }
        return try await get(
            "/v2/\(repository)/manifests/\(tag)", headers: ["Accept": media.joined(separator: ", ")])
    }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> PlainHTTPResponse {
        try await exchange(port: port, "GET", path, headers: headers.merging(authorization) { $1 })
    }

    fileprivate static func start(
        in folder: URL, user: User?
    ) async throws -> (registry: Registry, process: RunningProcess) {
        let configuration = folder.appending(path: "registry.yml")
        let storage = folder.appending(path: "storage")
        let log = folder.appending(path: "registry.log")
        var settings = """
            version: 0.1
            log: { level: info }
            storage: { filesystem: { rootdirectory: \(storage.path) } }
            http: { addr: "127.0.0.1:0" }

            """
        if let user {
            let file = folder.appending(path: "htpasswd")
            try user.line.write(to: file, atomically: true, encoding: .utf8)
            settings += "auth: { htpasswd: { realm: test, path: \(file.path) } }\n"
        }
        try settings.write(to: configuration, atomically: true, encoding: .utf8)
        let process = try RunningProcess(
            Command("/usr/bin/docker-registry", ["serve", configuration.path], environment: ["PATH": "/usr/bin:/bin"]),
            outputFile: log)
        do {
            let port = try await number(after: "listening on 127.0.0.1:", in: process)
            return (Registry(port: port, storage: storage, log: log, user: user), process)
        } catch {
            process.stop()
            throw error
        }
    }
}

/// Runs a registry for the length of the body.
package func withRegistry<Result>(
    for user: Registry.User? = nil, _ body: (Registry) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        let (registry, process) = try await Registry.start(in: folder, user: user)
        defer { process.stop() }
        return try await body(registry)
    }
}
