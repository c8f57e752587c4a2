import Foundation
import Glibc
import LianCLI
import LianFlags
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The real program: one line on stdout whatever happens, and the exit status that belongs to it.
@Suite struct BinaryTests {
    static let refused: [(arguments: [String], code: String)] = [
        ([], "invalid_argument"), (["biuld"], "invalid_argument"), ([""], "invalid_argument"),
        (["--versoin"], "invalid_argument"), (["build"], "invalid_argument"),
        (["build", "--imgae", "x"], "invalid_argument"), (["build", "stray"], "invalid_argument"),
        (["build", "--cpu", "many"], "invalid_argument"), (["build", "--progress", "loud"], "invalid_argument"),
        (["build", "--directives", "none.ncl", "--ssh-key", "ephemeral"], "directives_unreadable"),
        (["build", "--directives", "bad.json", "--ssh-key", "ephemeral"], "directives_invalid"),
        (["build", "--directives", "bad.ncl", "--ssh-key", "ephemeral"], "nickel_failed"),
    ]

    static let refusedProbes: [(arguments: [String], input: String)] = [
        (["--image", "x"], ""), (["stray"], ""), ([], ""), ([], "{"), ([], "[]"),
        (["--nats-subject-prefix", "a..b"], "{}"),
    ]
    static let emptyProbe = #"{"schema":"secret-delivery-context/v1","request_id":"r","workspace":"w","checks":[]}"#

    /// As they are, or with the real evaluator.
    private func refusals(_ folder: ProgramFolder, environment: [String: String] = [:]) async throws -> [JSONValue] {
        try folder.write("bad.json", "{\"workspace\":")
        try folder.write("bad.ncl", "{ workspace = }")
        var envelopes: [JSONValue] = []
        for (arguments, code) in Self.refused {
            let run = try await folder.run(arguments, environment: environment)
            #expect(run.status == 2, "\(arguments)")
            #expect(run.errorCode == code, "\(arguments): \(run.output)")
            #expect(run.errors.contains("error[\(code)]: "))
            #expect(run.errors.contains("\nhint: "))
            envelopes.append(try #require(run.envelope))
        }
        return envelopes
    }

    private func probes(_ folder: ProgramFolder) async throws -> [JSONValue] {
        var answers: [JSONValue] = []
        for (arguments, input) in Self.refusedProbes {
            let run = try await folder.run(["integrate"] + arguments, input: input)
            #expect(run.status == 2)
            answers.append(try #require(run.envelope))
        }
        let run = try await folder.run(["integrate"], input: Self.emptyProbe)
        #expect(run.status == 0)
        answers.append(try #require(run.envelope))
        return answers
    }

    @Test func wrongRequestsAreOneEnvelope() async throws {
        try await withProgramFolder { _ = try await refusals($0) }
    }

    /// While it reads, and while it checks: one answer, the signal's status, and no child.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP], [false, true])
    func aProbeThatIsEnded(signal: Int32, reads: Bool) async throws {
        try await withProgramFolder { folder in
            try writeScript("touch \"$HOME/started\"\nexec sleep 300", to: folder.programs.appending(path: "nickel"))
            try folder.write(
                "context",
                #"{"schema":"secret-delivery-context/v1","request_id":"r","workspace":"w","checks":["tools"]}"#)
            try #require(mkfifo(folder.url.appending(path: "silence").path, 0o600) == 0)
            let script = "exec \"$0\" integrate <>\(reads ? "silence" : "context") 2>err"
            let program = try start(by: script, in: folder)
            defer { program.stop() }
            let started = folder.url.appending(path: "started").path
            #expect(
                await eventually {
                    reads ? catches(signal, program) : FileManager.default.fileExists(atPath: started)
                })
            program.signal(signal)
            #expect(await program.ended() == .exited(128 + signal))
            let run = ProgramRun(status: 128 + signal, output: program.output, errors: "")
            #expect(run.errorCode == "cancelled", "\(program.output)")
            #expect(run.envelope?["schema"]?.stringValue == "lian-build/integration/v1")
            #expect(processes(workingIn: folder.url.path).isEmpty)
        }
    }

    /// The program, by a shell that becomes it.
    private func start(by script: String, in folder: ProgramFolder) throws -> RunningProcess {
        try RunningProcess(
            Command(
                "/bin/sh", ["-c", script, Project.executable("lian-build")], environment: folder.environment,
                workingDirectory: folder.url.path),
            outputFile: folder.url.appending(path: "out"))
    }

    /// Whether it does so itself: the shell before it catches signals too.
    private func catches(_ signal: Int32, _ program: RunningProcess) -> Bool {
        commandLine(of: program.pid).hasPrefix(Project.executable("lian-build"))
            && LianTestSupport.catches(signal, program.pid)
    }

    @Test func wrongProbesAreOneAnswer() async throws {
        try await withProgramFolder { _ = try await probes($0) }
    }

    @Test func aProbesSeedIsReadFromItsFile() async throws {
        try await withProgramFolder { folder in
            let flags = ["integrate", "--nats-url", "nats://127.0.0.1:1", "--nats-nkey-seed", "@seed"]
            let missing = try await folder.run(flags, input: Self.emptyProbe)
            #expect(missing.status == 2 && missing.errorCode == "invalid_argument")
            #expect(missing.errors.contains("--nats-nkey-seed: the nkey seed cannot be read"), "\(missing.errors)")
            // What it holds is no seed: the probe is answered, and the event is not sent.
            try folder.write("seed", "no seed\n")
            let wrong = try await folder.run(flags, input: Self.emptyProbe)
            #expect(wrong.status == 0 && wrong.envelope?["event"]?["published"]?.boolValue == false)
            #expect(!wrong.errors.contains("no seed"), "\(wrong.errors)")
        }
    }

    @Test(.needsNickel) func theEvaluatorTakesWhatIsPrinted() async throws {
        try await withProgramFolder { folder in
            let envelopes = try await refusals(folder, environment: folder.environmentWithNickel)
            try await expectAccepted(envelopes, by: "BuildResult", of: "build_result.ncl")
            try await expectAccepted(try await probes(folder), by: "ResultEnvelope", of: "integration.ncl")
        }
        let interrupted = try await interrupted()
        try await expectAccepted([interrupted], by: "BuildResult", of: "build_result.ncl")
    }

    @Test(arguments: [
        ["--help"], ["-h"], ["build", "--help"], ["build", "-h", "--nonsense"], ["integrate", "--help"],
    ])
    func help(arguments: [String]) async throws {
        try await withProgramFolder { folder in
            let run = try await folder.run(arguments)
            #expect(run.status == 0)
            #expect(run.output.contains("lian-build"))
            #expect(run.output.contains("--help"))
            #expect(run.errors.isEmpty)
        }
    }

    /// As it stands there, pasted into a shell.
    @Test func theExampleOfAProbeWorks() async throws {
        try await withProgramFolder { folder in
            let example = try #require(CommandSyntax.integrate.examples.first).lines.joined(separator: "\n")
            let run = try await folder.run(script: example)
            #expect(run.status == 0 && run.envelope?["status"] == "ok", "\(run.errors)\(run.output)")
        }
    }

    @Test(arguments: [["--version"], ["-v"], ["build", "--version"], ["integrate", "-v"]])
    func version(arguments: [String]) async throws {
        try await withProgramFolder { folder in
            let run = try await folder.run(arguments)
            #expect((run.status, run.output, run.errors) == (0, "lian-build \(lianBuildVersion)\n", ""))
        }
    }

    /// With stdin closed as well, the runtime's own descriptors would take the places of both.
    @Test(arguments: [">&-", "<&- >&-", "<&- >&- 2>&-", ">/dev/full"])
    func stdoutThatCannotBeWritten(redirection: String) async throws {
        try await withProgramFolder { folder in
            for arguments in [["build"], ["--version"], ["integrate"]] {
                let run = try await folder.run(arguments, redirected: redirection)
                #expect(run.status == 70, "\(arguments)")
                #expect(run.output.isEmpty)
                if !redirection.contains("2>&-") { #expect(run.errors.contains("error[output_unwritable]: ")) }
            }
        }
    }

    @Test func aClosedStderrCostsNothing() async throws {
        try await withProgramFolder { folder in
            let run = try await folder.run(["build"], redirected: "2>&-")
            #expect(run.status == 2)
            #expect(run.errorCode == "invalid_argument")
        }
    }

    /// A probe of everything asks the orchestrator how it is, and that is all that it leaves anywhere.
    @Test func aProbeSpawnsNothingAndWritesNothing() async throws {
        try await withScriptedHTTPServer { orchestrator in
            orchestrator.on("GET", "/healthz", [.success(200, ["status": "ok", "version": "1"])])
            try await withProgramFolder { folder in
                let context: JSONValue = [
                    "schema": "secret-delivery-context/v1", "request_id": "req-1", "workspace": "acme",
                    "actor": ["id": "p", "kind": "probe"],
                    "secrets": [
                        ["name": "a", "kind": "cred", "delivery": ["via": "inline", "value": "a secret value"]]
                    ],
                    "directives": [
                        "schema_version": "1", "workspace": "acme",
                        "artifacts": [["name": "app", "context": ".", "image": "reg.example/acme/app:1"]],
                        "compute": ["provider": "local"], "registry": ["provider": "zot", "endpoint": "reg.example"],
                    ],
                ]
                let run = try await folder.run(
                    ["integrate", "--orchestrator-url", orchestrator.url],
                    environment: ["TMPDIR": folder.url.path, "XDG_CACHE_HOME": folder.url.path],
                    input: context.encoded())
                #expect(run.status == 0, "\(run.output)\(run.errors)")
                #expect(run.envelope?["checks"]?.arrayValue?.map { $0["status"] } == ["pass", "pass", "pass", "pass"])
                #expect(orchestrator.requests().map { "\($0.method) \($0.path)" } == ["GET /healthz"])
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == [])
                #expect(!run.output.contains("a secret value") && !run.errors.contains("a secret value"))
            }
        }
    }

    /// SIGINT while the evaluator hangs: 130, one envelope, and no child.
    @Test func anInterruptWhileNickelHangs() async throws {
        #expect(try await interrupted()["status"] == "cancelled")
    }

    /// The envelope is for programs, which do not wait for whoever reads the rest.
    @Test(arguments: [nil, SIGTERM]) func aReaderOfStderrThatReadsNothing(signal: Int32?) async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            let full = folder.url.appending(path: "full").path
            try #require(mkfifo(full, 0o600) == 0)
            let pipe = FileDescriptor(owning: open(full, O_RDWR | O_NONBLOCK | O_CLOEXEC))
            let block = [UInt8](repeating: 0x78, count: 4096)
            while write(pipe.raw, block, block.count) > 0 {}
            // A Dockerfile that never ends keeps it from its own end.
            try #require(mkfifo(folder.url.appending(path: "silence").path, 0o600) == 0)
            let input = signal == nil ? "" : "--dockerfile - <>silence"
            let script =
                "exec \"$0\" build --dry-run --workspace acme --context app --image r.example/a/b:1 --ssh-key ephemeral "
                + "--orchestrator-url http://127.0.0.1:9 --progress plain 2>full \(input)"
            let program = try start(by: script, in: folder)
            defer { program.stop() }
            if let signal {
                #expect(await eventually { catches(signal, program) })
                program.signal(signal)
            }
            #expect(await program.ended() == .exited(signal.map { 128 + $0 } ?? 0))
            let envelope = try JSONValue.parse(program.output)
            #expect(envelope["status"]?.stringValue == (signal == nil ? "planned" : "cancelled"))
        }
    }

    private func interrupted() async throws -> JSONValue {
        try await withProgramFolder { folder in
            try writeScript("touch \"$HOME/started\"\nexec sleep 300", to: folder.programs.appending(path: "nickel"))
            try folder.write("ci.ncl", "{}")
            let script = "exec \"$0\" build --dry-run --ssh-key ephemeral --directives ci.ncl >out 2>err"
            let program = try RunningProcess(
                Command(
                    "/bin/sh", ["-c", script, Project.executable("lian-build")],
                    environment: folder.environment, workingDirectory: folder.url.path),
                outputFile: folder.url.appending(path: "both"))
            defer { program.stop() }
            let started = folder.url.appending(path: "started").path
            #expect(await eventually { FileManager.default.fileExists(atPath: started) })
            program.signal(SIGINT)
            #expect(await program.ended() == .exited(130))
            let output = try String(contentsOf: folder.url.appending(path: "out"), encoding: .utf8)
            #expect(processes(workingIn: folder.url.path).isEmpty)
            return try #require(ProgramRun(status: 130, output: output, errors: "").envelope)
        }
    }
}
