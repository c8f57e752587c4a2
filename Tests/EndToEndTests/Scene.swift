import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

/// One test's own part of the stage: a workspace that no other has, and a caller with a home and a folder for
/// temporary files.
final class Scene: Sendable {
    let stage: Stage
    let folder: URL
    let workspace = "w\(UUID().uuidString.prefix(8).lowercased())"
    private let envelopes = Mutex<[JSONValue]>([])

    /// What a Dockerfile needs before it can RUN anything: no image can be pulled.
    static let shell = "FROM scratch\nCOPY busybox /bin/busybox\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n"

    fileprivate init(stage: Stage, folder: URL) throws {
        self.stage = stage
        self.folder = folder
        for name in ["home", "tmp"] {
            try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
    }

    var orchestrator: Orchestrator { stage.orchestrator }
    var registry: Registry { stage.registry }
    private var temporaryFiles: String { folder.appending(path: "tmp").path }

    /// `REGISTRY/WORKSPACE/NAME:1`.
    func image(_ name: String = "app") -> String { "\(registry.host)/\(workspace)/\(name):1" }

    /// A context with a Dockerfile, busybox and the files.
    func context(
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
    func directives(_ value: JSONValue) throws -> String {
        let file = folder.appending(path: "directives.json")
        try value.encoded().write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    func environment(_ more: [String: String] = [:]) -> [String: String] {
        let own = [
            "PATH": "\(Project.tools.path):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
            "HOME": folder.appending(path: "home").path, "TMPDIR": temporaryFiles,
            "ORCHESTRATOR_URL": orchestrator.url, "ORCHESTRATOR_TOKEN": orchestrator.token,
            "NATS_URL": stage.nats.url, "BUILDKIT_SSH_KEY": "ephemeral",
        ]
        return own.merging(more) { $1 }
    }

    /// `lian-build build ARGUMENT…`, to its end.
    func build(_ arguments: [String], environment: [String: String] = [:]) async throws -> FinishedBuild {
        try await start(arguments, environment: environment).finished()
    }

    /// The build of one context into `image(name)`.
    func build(
        context: String, image name: String = "app", _ more: [String] = [], environment: [String: String] = [:]
    ) async throws -> FinishedBuild {
        try await build(flags(context, image: name) + more, environment: environment)
    }

    func flags(_ context: String, image name: String = "app") -> [String] {
        ["--workspace", workspace, "--context", context, "--image", image(name)]
    }

    /// `lian-build build ARGUMENT…`, for a test that does something to it on the way.
    func start(
        _ arguments: [String], environment: [String: String] = [:], on terminal: PseudoTerminal? = nil
    ) throws -> RunningBuild {
        let command = Command(
            Project.executable("lian-build"), ["build"] + arguments, environment: self.environment(environment),
            workingDirectory: folder.path)
        return try RunningBuild(command, folder: folder, terminal: terminal) { [self] envelope in
            envelopes.withLock { $0.append(envelope) }
        }
    }

    /// What was published of this workspace's builds, in order.
    func events() async throws -> [NATSSubscriber.Message] {
        try await stage.events.settle()
        return stage.events.messages("lian.\(workspace).")
    }

    /// Every envelope is as the schema says; no runner, no process and no file is left.
    fileprivate func checkThatAllIsInOrder() async throws {
        #expect(try await orchestrator.runners() == [])
        // Files are deleted after the answer; that all of them are in the end, the orchestrator's fixture sees.
        let remains = try orchestrator.remains().filter { !$0.hasPrefix("trash ") }
        #expect(remains == [])
        let temporary = try FileManager.default.contentsOfDirectory(atPath: temporaryFiles)
        #expect(temporary == [])
        let running = processes(holding: temporaryFiles, in: "environ")
        #expect(running == [])
        let printed = JSONValue.array(envelopes.withLock { $0 })
        try printed.encoded().write(to: folder.appending(path: "envelopes.json"), atomically: true, encoding: .utf8)
        let answer = try await nickelExport(
            "(import \"envelopes.json\") | Array (import \"build_result.ncl\").BuildResult", named: "envelopes.ncl",
            in: folder)
        #expect(answer.value != nil, "\(answer.diagnostic)")
    }
}

/// Runs a test's body on the stage, and looks afterwards whether all is in order.
func withScene(_ body: (Scene) async throws -> Void) async throws {
    let stage = try #require(Stage.current)
    try await withShortTemporaryFolder { folder in
        let scene = try Scene(stage: stage, folder: folder)
        try await body(scene)
        try await scene.checkThatAllIsInOrder()
    }
}
