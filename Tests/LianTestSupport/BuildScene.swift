import Foundation
import LianModel
import LianSystem
import Synchronization

/// One test's own part of the stage: a workspace that no other has, and a caller with a home and a folder for
/// temporary files.
package final class BuildScene: Sendable {
    package let stage: BuildStage
    package let folder: URL
    package let workspace = "w\(UUID().uuidString.prefix(8).lowercased())"
    private let envelopes = Mutex<[JSONValue]>([])

    /// What a Dockerfile needs before it can RUN anything: no image can be pulled.
    package static let shell = "FROM scratch\nCOPY busybox /bin/busybox\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n"

    package init(_ stage: BuildStage, folder: URL) throws {
        self.stage = stage
        self.folder = folder
        for name in ["home", "tmp"] {
            try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
    }

    package var orchestrator: Orchestrator { stage.orchestrator }
    package var registry: Registry { stage.registry }
    package var temporaryFiles: String { folder.appending(path: "tmp").path }

    /// `REGISTRY/WORKSPACE/NAME:1`.
    package func image(_ name: String = "app") -> String { "\(registry.host)/\(workspace)/\(name):1" }

    /// The digest under which the registry has it; nil where it was never pushed.
    package func pushedDigest(_ name: String = "app") async throws -> String? {
        try await registry.digest(of: "\(workspace)/\(name)", tag: "1")
    }

    /// A context with a Dockerfile, busybox and the files.
    package func context(
        _ dockerfile: String, files: [String: String] = [:], named name: String = "context", in parent: URL? = nil
    ) throws -> String {
        let context = (parent ?? folder).appending(path: name)
        try FileManager.default.createDirectory(at: context, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: context.appending(path: "busybox").path)
        for (name, text) in files.merging(["Dockerfile": dockerfile], uniquingKeysWith: { $1 }) {
            try text.write(to: context.appending(path: name), atomically: true, encoding: .utf8)
        }
        return context.path
    }

    /// Directives in the scene's folder, from which their paths start.
    package func directives(_ value: JSONValue) throws -> String {
        let file = folder.appending(path: "directives.json")
        try value.encoded().write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// Directives of one image from the folder `context`, on the first of these tiers that has room for half a GB.
    package func directives(tiers: [(name: String, memoryGB: Double)]) throws -> String {
        try directives([
            "schema_version": "1", "workspace": .string(workspace),
            "artifacts": [["name": "app", "context": "context", "image": .string(image())]],
            "compute": [
                "provider": "local",
                "tiers": .array(
                    tiers.map { ["name": .string($0.name), "cpu": 2, "memory_gb": .number($0.memoryGB)] }),
            ],
            "registry": ["provider": "generic", "endpoint": .string(registry.host)],
            "runner": ["cpu": 1, "memory_gb": 0.5],
        ])
    }

    package func environment(_ more: [String: String] = [:]) -> [String: String] {
        var own = [
            "PATH": "\(Project.tools.path):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
            "HOME": folder.appending(path: "home").path, "TMPDIR": temporaryFiles,
            "ORCHESTRATOR_URL": orchestrator.url, "ORCHESTRATOR_TOKEN": orchestrator.token,
            "NATS_URL": stage.nats.url, "BUILDKIT_SSH_KEY": "ephemeral",
        ]
        own["ORCHESTRATOR_CA"] = orchestrator.authority?.certificate
        return own.merging(more) { $1 }
    }

    /// `lian-build build ARGUMENT…`, to its end.
    package func build(_ arguments: [String], environment: [String: String] = [:]) async throws -> FinishedBuild {
        try await start(arguments, environment: environment).finished()
    }

    /// The same with a file on its standard input.
    package func build(reading file: URL, _ arguments: [String]) async throws -> FinishedBuild {
        let command = Command(
            "/bin/sh",
            ["-c", "exec \"$0\" build \"$@\" <'\(file.path)'", Project.executable("lian-build")] + arguments,
            environment: environment(), workingDirectory: folder.path)
        return try await start(command).finished()
    }

    /// The build of one context into `image(name)`.
    package func build(
        context: String, image name: String = "app", _ more: [String] = [], environment: [String: String] = [:]
    ) async throws -> FinishedBuild {
        try await build(flags(context, image: name) + more, environment: environment)
    }

    package func flags(_ context: String, image name: String = "app") -> [String] {
        ["--workspace", workspace, "--context", context, "--image", image(name)]
    }

    /// `lian-build build ARGUMENT…`, for a test that does something to it on the way.
    package func start(
        _ arguments: [String], environment: [String: String] = [:], on terminal: PseudoTerminal? = nil
    ) throws -> RunningBuild {
        let command = Command(
            Project.executable("lian-build"), ["build"] + arguments, environment: self.environment(environment),
            workingDirectory: folder.path)
        return try start(command, on: terminal)
    }

    private func start(_ command: Command, on terminal: PseudoTerminal? = nil) throws -> RunningBuild {
        try RunningBuild(command, folder: folder, terminal: terminal) { [self] envelope in
            envelopes.withLock { $0.append(envelope) }
        }
    }

    /// What was published of this workspace's builds, in order.
    package func events() async throws -> [NATSSubscriber.Message] {
        try await stage.events.settle()
        return stage.events.messages("lian.\(workspace).")
    }

    /// What should not be: a runner, a process, a file, an envelope that is not as the schema says. Empty where all is
    /// in order. For a scene that has the stage to itself.
    package func disorder() async throws -> [String] {
        var found = try await orchestrator.runners().map { "runner \($0)" }
        // Files are deleted after the answer; that all of them are in the end, the orchestrator's fixture sees.
        found += try orchestrator.remains().filter { !$0.hasPrefix("trash ") }
        found += try callersRemains()
        if let diagnostic = try await diagnostic(of: envelopes.withLock { $0 }, in: folder) { found.append(diagnostic) }
        return found
    }

    /// Files and processes of the caller's.
    package func callersRemains() throws -> [String] {
        let files = try FileManager.default.contentsOfDirectory(atPath: temporaryFiles)
        let running = processes(holding: temporaryFiles, in: "environ")
        return files.map { "file \($0)" } + running.map { "process \($0) \(commandLine(of: $0))" }
    }
}

/// What the schema has against the envelopes; nil where it takes all of them.
package func diagnostic(of envelopes: [JSONValue], in folder: URL) async throws -> String? {
    let file = folder.appending(path: "envelopes.json")
    try JSONValue.array(envelopes).encoded().write(to: file, atomically: true, encoding: .utf8)
    let answer = try await nickelExport(
        "(import \"envelopes.json\") | Array (import \"build_result.ncl\").BuildResult", named: "envelopes.ncl",
        in: folder)
    return answer.value == nil ? answer.diagnostic : nil
}

/// Runs a test's body on the stage, and looks afterwards whether all is in order.
package func withBuildScene(on stage: BuildStage, _ body: (BuildScene) async throws -> Void) async throws {
    try await withShortTemporaryFolder { folder in
        let scene = try BuildScene(stage, folder: folder)
        try await body(scene)
        let disorder = try await scene.disorder()
        guard disorder.isEmpty else { throw FixtureError("not in order: \(disorder)") }
    }
}
