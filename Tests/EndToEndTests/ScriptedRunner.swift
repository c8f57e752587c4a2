import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// A runner without an engine behind an orchestrator of written answers: a real sshd, and a rsync and a buildctl that a
/// test can replace. What holds a build in one of its phases is said here, not waited for.
struct ScriptedRunner: Sendable {
    let orchestrator: ScriptedHTTPServer
    let server: SSHServer
    private let folder: URL

    static let id = "r-scripted"
    private static let digest = "sha256:\(String(repeating: "0a", count: 32))"

    var workFolder: String { folder.appending(path: "runner/work").path }
    private var temporaryFiles: String { folder.appending(path: "tmp").path }

    fileprivate init(orchestrator: ScriptedHTTPServer, server: SSHServer, folder: URL) throws {
        self.orchestrator = orchestrator
        self.server = server
        self.folder = folder
        answer("POST", "/api/v1/runners", status: 201)
        answer("GET", "/api/v1/runners/*")
        answer("POST", "/api/v1/runners/*/heartbeat")
        answer("DELETE", "/api/v1/runners/*", state: "gone")
        orchestrator.on(
            "GET", "/api/v1/workspaces/*/p95", [.success(200, ["workspace": "acme", "samples": 0])])
        orchestrator.on("POST", "/api/v1/workspaces/*/metrics", [.success(202, nil)])
        try program("rsync", "exec /usr/bin/rsync \"$@\"", for: .runner)
        try buildctl("exit 0")
    }

    /// The runner as the orchestrator tells of it. It lets the caller's key in.
    func tell(
        _ status: Int = 200, state: String = "ready", port: Int? = nil, withHostKeys: Bool = true,
        volume: JSONValue = .null, to request: ScriptedHTTPServer.Request, after delay: Duration = .zero
    ) -> ScriptedHTTPServer.Reply {
        if let key = request.json?["ssh_public_key"]?.stringValue { try? server.authorize(key) }
        return .success(
            status,
            [
                "runner_id": .string(Self.id), "state": .string(state), "workspace": "acme",
                "host": .string(server.host), "port": .integer(port ?? server.port), "user": .string(server.user),
                "host_keys": withHostKeys ? .array(server.hostKeyLines.map { .string($0) }) : [],
                "work_dir": .string(workFolder), "volume": volume,
            ], after: delay)
    }

    /// Offers volumes from now on: what each runner finds on its own, and what is answered when it is to be kept.
    func offerVolumes(_ found: JSONValue, kept replies: [ScriptedHTTPServer.Reply] = []) {
        orchestrator.on(
            "GET", "/healthz", [.success(200, ["status": "ok", "version": "1.1", "volumes": "clone"])])
        orchestrator.on("POST", "/api/v1/runners") { request, _ in tell(201, volume: found, to: request) }
        orchestrator.on("GET", "/api/v1/runners/*") { request, _ in tell(volume: found, to: request) }
        if !replies.isEmpty { orchestrator.on("POST", Self.keep, replies) }
    }

    private static let keep = "/api/v1/runners/*/keep"

    /// What was asked to be kept, in order.
    var keeps: [ScriptedHTTPServer.Request] { orchestrator.requests("POST", Self.keep) }

    private func answer(_ method: String, _ path: String, status: Int = 200, state: String = "ready") {
        orchestrator.on(method, path) { request, _ in tell(status, state: state, to: request) }
    }

    /// Whether a runner was asked for, and whether it was ended.
    var spawns: Int { orchestrator.requests("POST", "/api/v1/runners").count }
    var isDestroyed: Bool { !orchestrator.requests("DELETE", "/api/v1/runners/\(Self.id)").isEmpty }

    enum Side: String {
        case runner, caller
    }

    /// A program of that side, as the lines of a shell script.
    func program(_ name: String, _ script: String, for side: Side) throws {
        let bin = folder.appending(path: "\(side.rawValue)/bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        try writeScript(script, to: bin.appending(path: name))
    }

    /// The lines that follow when buildctl is told to build; a metadata file is there by then.
    func buildctl(_ script: String) throws {
        let lines = """
            case $1 in --version) echo 'buildctl github.com/moby/buildkit v0.11.6 0000000'; exit 0 ;; esac
            # The warm-up wants no image.
            case $* in *--metadata-file*) ;; *) exit 0 ;; esac
            for argument; do
              [ "${previous-}" != --metadata-file ] || echo '{"containerimage.digest":"\(Self.digest)"}' >"$argument"
              previous=$argument
            done
            \(script)
            """
        try program("buildctl", lines, for: .runner)
    }

    /// A context with a Dockerfile; the same for as many builds as are started.
    func context() throws -> String {
        let context = folder.appending(path: "context")
        try FileManager.default.createDirectory(at: context, withIntermediateDirectories: true)
        try "FROM scratch\n".write(to: context.appending(path: "Dockerfile"), atomically: true, encoding: .utf8)
        return context.path
    }

    /// A file of the caller's.
    func file(_ name: String, _ text: String = "") throws -> String {
        let file = folder.appending(path: name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    func flags(_ context: String) -> [String] {
        ["--workspace", "acme", "--context", context, "--image", "127.0.0.1:1/acme/app:1"]
    }

    func start(_ arguments: [String], environment: [String: String] = [:]) throws -> RunningBuild {
        let path = "\(folder.path)/caller/bin:\(Project.tools.path):/usr/bin:/bin"
        let command = Command(
            Project.executable("lian-build"), ["build"] + arguments,
            environment: [
                "PATH": path, "HOME": folder.path, "TMPDIR": temporaryFiles, "ORCHESTRATOR_URL": orchestrator.url,
                "BUILDKIT_SSH_KEY": "ephemeral",
            ].merging(environment) { $1 },
            workingDirectory: folder.path)
        return try RunningBuild(command, folder: folder) { _ in }
    }

    /// No file and no process is left, on either side.
    func expectNothingLeft() async throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: temporaryFiles)
        #expect(files == [])
        let ofCaller = processes(holding: temporaryFiles, in: "environ")
        #expect(ofCaller == [])
        // A remote group that was told to end does so in its own time.
        let isQuiet = await eventually { processes(workingIn: workFolder).isEmpty }
        #expect(isQuiet, "\(processes(workingIn: workFolder))")
    }

    /// What the contract for the envelope says to it.
    func expectValid(_ build: FinishedBuild) async throws {
        let file = try file("envelope.json", build.output)
        let answer = try await nickelExport(
            "(import \"\(file)\") | (import \"build_result.ncl\").BuildResult", named: "envelope.ncl", in: folder)
        #expect(answer.value != nil, "\(answer.diagnostic)")
    }
}

/// A runner for the length of the body, which the fixture finds quiet afterwards.
func withScriptedRunner(_ body: (ScriptedRunner) async throws -> Void) async throws {
    try await withShortTemporaryFolder { folder in
        for name in ["tmp", "runner/work"] {
            try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        let programs = folder.appending(path: "runner/bin").path
        let options = SSHServerOptions(environment: ["PATH": "\(programs):/usr/bin:/bin"])
        try await withSSHServer(options) { server in
            try await withScriptedHTTPServer { orchestrator in
                let runner = try ScriptedRunner(orchestrator: orchestrator, server: server, folder: folder)
                try await body(runner)
                try await runner.expectNothingLeft()
            }
        }
    }
}
