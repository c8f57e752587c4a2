import Foundation
import LianCLI
import LianConfiguration
import LianFlags
import LianModel
import LianSystem
import LianTestSupport

@testable import LianBuild

/// A folder `app` to build, and requests for it from flags, environment and directives.
struct RequestFixture: Sendable {
    let folder: String

    /// What is needed to build `app` is added where the arguments do not say it.
    func build(
        _ arguments: [String] = [], directives: JSONValue? = nil, environment: [String: String] = [:],
        input: String? = nil
    ) throws -> BuildRequest {
        var needed = [("--ssh-key", "ephemeral")]
        if directives == nil {
            needed += [("--workspace", "acme"), ("--context", "app"), ("--image", "reg.example/team/app:1")]
        } else {
            needed.append(("--directives", "ci.json"))
        }
        let missing = needed.filter { !arguments.contains($0.0) }.flatMap { [$0.0, $0.1] }
        let parsed = try ArgumentParser.parse(missing + arguments, for: .build, environment: environment)
        let loaded = try directives.map {
            LoadedDirectives(directives: try BuildDirectives(JSONNode($0)), file: "\(folder)/ci.json")
        }
        var builder = RequestBuilder(
            options: try BuildOptions(parsed), environment: environment, workingFolder: WorkingFolder(folder),
            dockerfileOnInput: input.map { Array($0.utf8) })
        return try builder.build(directives: loaded)
    }

    /// The one artifact of such a request.
    func artifact(
        _ arguments: [String] = [], directives: JSONValue? = nil, environment: [String: String] = [:]
    ) throws -> ArtifactRequest {
        try build(arguments, directives: directives, environment: environment).artifacts[0]
    }

    /// The error of a request that is refused.
    func refusal(
        _ arguments: [String] = [], directives: JSONValue? = nil, environment: [String: String] = [:]
    ) -> LianError? {
        do {
            _ = try build(arguments, directives: directives, environment: environment)
            return nil
        } catch {
            return error as? LianError
        }
    }
}

func withRequestFixture(_ body: (RequestFixture) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
        let app = folder.appending(path: "app")
        try FileManager.default.createDirectory(at: app, withIntermediateDirectories: true)
        try "FROM scratch\n".write(to: app.appending(path: "Dockerfile"), atomically: true, encoding: .utf8)
        try await body(RequestFixture(folder: realPath(folder.path) ?? folder.path))
    }
}

/// Directives for the fixture's `app`, with further fields of the artifact and of the whole.
func directives(_ artifact: [String: JSONValue] = [:], whole: [String: JSONValue] = [:]) -> JSONValue {
    let app: [String: JSONValue] = ["name": "app", "context": "app", "image": "reg.example/acme/app:1"]
    let base: [String: JSONValue] = [
        "schema_version": "1", "workspace": "acme",
        "artifacts": .array([.object(app.merging(artifact) { $1 })]), "compute": ["provider": "local"],
        "registry": ["provider": "zot", "endpoint": "reg.example", "namespace": "acme"],
    ]
    return .object(base.merging(whole) { $1 })
}

/// A registry's cache by its reference.
extension CacheStore: ExpressibleByStringLiteral {
    public init(stringLiteral reference: String) { self.init(registry: reference) }
}

extension BuildRequest {
    /// The messages of the warnings with that code.
    func warnings(_ code: WarningCode) -> [String] {
        warnings.filter { $0.code == code }.map(\.message)
    }
}
