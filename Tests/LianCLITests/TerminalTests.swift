import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The real program with a terminal for its stderr.
@Suite struct TerminalTests {
    /// Runs a build on it, and gives the screen once the program has ended.
    private func build(
        on terminal: PseudoTerminal, server: ScriptedHTTPServer, environment: [String: String] = [:],
        _ arguments: [String] = [], meanwhile: (RunningProcess) async throws -> Void = { _ in }
    ) async throws -> TerminalScreen {
        try await withProgramFolder { folder in
            defer { terminal.close() }
            try folder.write("context/Dockerfile", "FROM scratch\n")
            var variables = ["TERM": "xterm-256color", "LANG": "C.UTF-8", "BUILDKIT_SSH_KEY": "ephemeral"]
            variables.merge(environment) { $1 }
            let flags = [
                "build", "--workspace", "acme", "--image", "reg.example/acme/app:1", "--context",
                folder.url.appending(path: "context").path, "--orchestrator-url", server.url,
            ]
            let process = try RunningProcess(
                Command(
                    Project.executable("lian-build"), flags + arguments, environment: folder.merged(variables),
                    workingDirectory: folder.url.path),
                outputFile: folder.url.appending(path: "out"), terminal: terminal)
            defer { process.stop() }
            try await meanwhile(process)
            #expect(await process.ended() != nil)
            let envelope = try? JSONValue.parse(process.output)
            #expect(envelope?["schema"]?.stringValue == "lian-build/result/v1", "\(process.output)")
            // What the program wrote last may still be on its way.
            _ = await eventually { terminal.screen.text.contains("hint: ") || terminal.screen.text.contains("dry run") }
            return terminal.screen
        }
    }

    private func expectInOrder(_ screen: TerminalScreen) {
        #expect(screen.isCursorVisible && screen.wrapsAtEdge && screen.unknown == [])
        #expect(screen.cursorPosition.column == 0)
    }

    private func refusing(_ server: ScriptedHTTPServer) {
        server.on(
            "POST", "/api/v1/runners",
            [.failure(422, code: "no_such_size", message: "none-of-this-size-is-anywhere-in-the-house")])
    }

    @Test(arguments: [40, 100])
    func aRefusedSpawn(columns: Int) async throws {
        try await withScriptedHTTPServer { server in
            refusing(server)
            let terminal = try PseudoTerminal(columns: columns, height: 24)
            let screen = try await build(on: terminal, server: server)
            expectInOrder(screen)
            let joined = screen.everything.joined()
            #expect(joined.contains("none-of-this-size-is-anywhere-in-the-house"), "\(screen.text)")
            for beginning in ["✓ resolve", "✗ spawn", "✗ failed in", "error[spawn_refused]: ", "hint: "] {
                #expect(screen.everything.contains { $0.hasPrefix(beginning) }, "\(beginning): \(screen.text)")
            }
            // Nothing is left of the block.
            #expect(!screen.text.contains("of 30m") && screen.everything.last?.isEmpty == true)
            #expect(screen.cells.joined().contains { $0.color != nil })
        }
    }

    /// It waits in the spawn phase, in a terminal that becomes narrower, lower and wide again, and is then interrupted.
    @Test func resizedAndInterrupted() async throws {
        try await withScriptedHTTPServer { server in
            server.on("POST", "/api/v1/runners", [.hang])
            let terminal = try PseudoTerminal(columns: 100, height: 24)
            let screen = try await build(on: terminal, server: server, environment: ["NO_COLOR": "1"]) { process in
                for (columns, height) in [(40, 24), (24, 24), (100, 3), (100, 24)] {
                    #expect(await eventually { terminal.screen.text.contains("of 30m") })
                    terminal.resize(columns: columns, height: height)
                    let frames = terminal.screen.frames
                    #expect(await eventually { terminal.screen.frames > frames + 2 })
                    let screen = terminal.screen
                    #expect(screen.everything.count { $0.contains("spawn  ") } == 1, "\(columns): \(screen.text)")
                    #expect(screen.everything.count { $0.contains("of 30m") } == 1, "\(columns): \(screen.text)")
                    #expect(screen.lines.allSatisfy { $0.count <= columns })
                }
                process.signal(SIGINT)
                #expect(await eventually { terminal.screen.text.contains("SIGINT: ending the build") })
                // The second one waits for nobody.
                process.signal(SIGINT)
            }
            expectInOrder(screen)
            #expect(screen.text.contains("error[cancelled]: "), "\(screen.text)")
            #expect(!screen.cells.joined().contains { $0.color != nil || $0.isBold || $0.isFaint })
        }
    }

    /// A terminal that cannot move its cursor gets lines.
    @Test(arguments: [["TERM": "dumb"], ["TERM": ""]])
    func plainWhereTheCursorStandsStill(environment: [String: String]) async throws {
        try await withScriptedHTTPServer { server in
            refusing(server)
            let terminal = try PseudoTerminal(columns: 100, height: 24)
            let screen = try await build(
                on: terminal, server: server, environment: environment, ["--progress", "tty"])
            #expect(screen.frames == 0 && screen.unknown == [])
            #expect(screen.everything.contains { $0.hasSuffix("s] resolve: reading what to build") }, "\(screen.text)")
        }
    }

    @Test func aDryRun() async throws {
        try await withScriptedHTTPServer { server in
            let terminal = try PseudoTerminal(columns: 100, height: 24)
            let screen = try await build(on: terminal, server: server, ["--dry-run"])
            expectInOrder(screen)
            #expect(screen.everything.contains("image: reg.example/acme/app:1"), "\(screen.text)")
        }
    }
}
