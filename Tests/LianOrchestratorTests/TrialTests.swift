import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// `--try NAME`, by the real program, on real runners.
@Suite struct TrialTests {
    /// A state folder that is not there, and nothing of it afterwards.
    private struct Scene {
        let folder: URL
        let environment: [String: String]

        var state: String { folder.appending(path: "s").path }

        func command(_ arguments: [String]) -> Command {
            Command(
                Project.executable("lian-orchestrator"), arguments + ["--state", state], environment: environment)
        }

        /// Processes, mounts and files of the trial.
        func remains() throws -> [String] {
            let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
            return mounts.split(separator: "\n").filter { $0.contains(state) }.map { "mount \($0)" }
                + processes(holding: state).map { "process \(commandLine(of: $0))" }
                + (fileKind(state) == nil ? [] : ["folder \(state)"])
        }
    }

    /// With these programs in place of the machine's own.
    private func withScene(
        programs: (URL) -> [String: String] = { _ in [:] }, _ body: (Scene) async throws -> Void
    ) async throws {
        try await withShortTemporaryFolder { folder in
            var environment = ProcessInfo.processInfo.environment
            let programs = programs(folder)
            if !programs.isEmpty {
                for (name, script) in programs { try writeScript(script, to: folder.appending(path: name)) }
                environment["PATH"] = "\(folder.path):\(environment["PATH"] ?? "")"
            }
            try await body(Scene(folder: folder, environment: environment))
        }
    }

    private static let silentEngine = [
        "buildkitd": "[ \"$1\" != --version ] || exit 0; exec sleep 100000", "buildctl": "exit 0", "runc": "exit 0",
    ]

    private func steps(_ output: String) -> [String] {
        output.split(separator: "\n").compactMap { line in
            line.first == " " ? nil : line.split(separator: " ").first.map(String.init)
        }
    }

    @Test func aProviderThatServes() async throws {
        try await withScene { scene in
            let tried = try await run(scene.command(["--try", "local"]), deadline: .seconds(600))
            #expect(tried.termination == .exited(0), "\(tried.outputText)\(tried.errorText)")
            #expect(steps(tried.outputText) == ["provider", "spawn", "ssh", "tools", "build", "destroy"])
            #expect(!tried.outputText.contains("failed"), "\(tried.outputText)")
            #expect(try scene.remains() == [])
        }
    }

    /// What fails is told in the words of what failed, with what to do, and nothing stays.
    @Test func anEngineThatDoesNotAnswer() async throws {
        try await withScene(programs: { _ in Self.silentEngine }) { scene in
            let tried = try await run(
                scene.command(["--try", "local", "--engine", "buildkit"]), deadline: .seconds(600))
            #expect(tried.termination == .exited(1))
            #expect(steps(tried.outputText) == ["provider", "spawn", "ssh", "tools", "build", "destroy"])
            for words in [
                "build     failed    after ", "the build ended with status 1",
                "| error: rpc error: code = Unavailable desc = the runner's buildkit does not answer", "what to do: ",
                "nothing is left",
            ] {
                #expect(tried.outputText.contains(words), "\(words) is not in \(tried.outputText)")
            }
            #expect(try scene.remains() == [])
        }
    }

    @Test func anEngineThatIsMissing() async throws {
        try await withScene { scene in
            let tried = try await run(
                Command(
                    Project.executable("lian-orchestrator"),
                    ["--try", "docker-local", "--engine", "docker", "--state", scene.state],
                    environment: ["PATH": scene.folder.path, "DOCKER_HOST": "unix:///none"]), deadline: .seconds(120))
            #expect(tried.termination == .exited(1))
            #expect(steps(tried.outputText) == ["provider"])
            for words in ["provider  failed    after ", "set DOCKER_HOST"] {
                #expect(tried.outputText.contains(words), "\(tried.outputText)")
            }
            #expect(try scene.remains() == [])
        }
    }

    @Test func whatIsNotThereIsNotTried() async throws {
        try await withScene { scene in
            let tried = try await run(scene.command(["--try", "moon"]), deadline: .seconds(120))
            #expect(tried.termination == .exited(2) && tried.outputText.isEmpty)
            #expect(tried.errorText.contains("there is no provider 'moon' to try\nhint: "), "\(tried.errorText)")
            #expect(tried.errorText.contains("'local'"))
            #expect(try scene.remains() == [])
        }
    }

    private enum Moment: String, CaseIterable, Sendable {
        case spawn, build

        /// The program that is called then, and hangs.
        var program: String { self == .spawn ? "ssh-keygen" : "buildctl" }
    }

    /// An engine that has a socket and does nothing.
    private static let deafEngine = """
        [ "$1" != --version ] || exit 0
        exec python3 -c 'import re, socket, sys, time
        path = re.search("unix://([-/.a-zA-Z0-9]*)", open(sys.argv[1]).read()).group(1)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        time.sleep(100000)' "$2"
        """

    /// Ctrl-C in the middle: while the runner is being made, and while it builds. The program that is called then sends
    /// the signal by itself.
    @Test(arguments: Moment.allCases)
    private func interrupted(at moment: Moment) async throws {
        func programs(_ folder: URL) -> [String: String] {
            var programs = Self.silentEngine
            programs["buildkitd"] = Self.deafEngine
            programs[moment.program] = """
                [ "$1" != --version ] || exit 0
                until [ -s \(folder.path)/pid ]; do sleep 0.1; done
                kill -INT "$(cat \(folder.path)/pid)"
                exec sleep 100000
                """
            return programs
        }
        try await withScene(programs: programs) { scene in
            let trial = try RunningProcess(
                scene.command(["--try", "local", "--engine", "buildkit"]),
                outputFile: scene.folder.appending(path: "out"), newSession: true)
            defer { trial.stop() }
            try writeFile(scene.folder.appending(path: "pid").path, "\(trial.pid)")
            #expect(await trial.ended(within: .seconds(300)) == .exited(130))
            #expect(trial.output.contains("\(moment.rawValue)     failed"), "\(trial.output)")
            #expect(trial.output.contains("ended by a signal") && trial.output.contains("nothing is left"))
            #expect(try scene.remains() == [])
        }
    }

    /// kill -9 leaves what the next trial finds.
    @Test func killedInTheMiddle() async throws {
        try await withScene(programs: { _ in Self.silentEngine }) { scene in
            let command = scene.command(["--try", "local", "--engine", "buildkit"])
            let trial = try RunningProcess(command, outputFile: scene.folder.appending(path: "out"), newSession: true)
            defer { trial.stop() }
            #expect(await eventually { steps(trial.output).contains("tools") }, "\(trial.output)")
            trial.stop()
            #expect(try scene.remains().contains { $0.hasPrefix("process ") })
            let again = try await run(command, deadline: .seconds(600))
            #expect(steps(again.outputText).last == "destroy", "\(again.outputText)")
            // What is left is the folder of the first one's, which was there before.
            #expect(try scene.remains() == ["folder \(scene.state)"])
            #expect(try folderEntries(scene.state) == [])
        }
    }
}
