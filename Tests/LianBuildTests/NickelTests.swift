import Foundation
import LianConfiguration
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// Everything that can go wrong with the evaluator is exit 2 with a code and a hint, and leaves no child.
@Suite struct NickelTests {
    /// A folder of the test's own with a `nickel` that is this shell script.
    private func withScript(_ script: String, _ body: (Nickel, URL) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let program = folder.appending(path: "nickel")
            try writeScript(script, to: program)
            let nickel = try Nickel.find(
                for: "ci.ncl", installation: nil, importPaths: [],
                environment: [
                    "PATH": "\(folder.path):/usr/bin:/bin", "HOME": "/nonexistent", "ORCHESTRATOR_TOKEN": "hunter22",
                    "NATS_NKEY_SEED": "hunter22", "VAULT_TOKEN": "hunter22", "SSH_KEY_PASSPHRASE": "hunter22",
                    "AWS_SECRET_ACCESS_KEY": "hunter22",
                ])
            #expect(nickel.executable == program.path)
            try await body(nickel, folder)
            // Whatever it started would have the folder in its environment.
            #expect(await eventually { processes(holding: folder.path, in: "environ").isEmpty })
        }
    }

    private func failure(_ nickel: Nickel) async -> LianError? {
        let error = await #expect(throws: LianError.self) { try await nickel.export("/somewhere/ci.ncl") }
        #expect(error?.code.exitStatus == 2)
        #expect(error?.hint.isEmpty == false)
        return error
    }

    @Test func missing() async {
        let error = #expect(throws: LianError.self) {
            try Nickel.find(for: "/w/ci.ncl", installation: nil, importPaths: [], environment: ["PATH": "/nowhere"])
        }
        #expect(error?.code == .nickelMissing)
        #expect(error?.message.contains("/w/ci.ncl") == true)
    }

    @Test func hanging() async throws {
        try await withScript("sleep 300 & echo $0 >&2; wait") { nickel, _ in
            var nickel = nickel
            #expect(nickel.deadline == .seconds(30))
            nickel.deadline = .milliseconds(300)
            #expect(await failure(nickel)?.code == .nickelTimedOut)
        }
    }

    @Test func hangingAndCancelled() async throws {
        try await withScript("exec sleep 300") { nickel, _ in
            let export = Task { try await nickel.export("/somewhere/ci.ncl") }
            export.cancel()
            await #expect(throws: CancellationError.self) { try await export.value }
        }
    }

    @Test func flooding() async throws {
        try await withScript("yes flood") { nickel, _ in
            #expect(await failure(nickel)?.code == .nickelOutputTooLarge)
        }
    }

    @Test func printingNoJSON() async throws {
        try await withScript("echo this is not JSON; echo why >&2") { nickel, _ in
            let error = await failure(nickel)
            #expect(error?.code == .nickelOutputInvalid)
            #expect(error?.logTail == ["why"])
        }
    }

    @Test func printingNothing() async throws {
        try await withScript("exit 0") { nickel, _ in
            #expect(await failure(nickel)?.code == .nickelOutputInvalid)
        }
    }

    @Test func dyingBySignal() async throws {
        try await withScript("kill -KILL $$") { nickel, _ in
            let error = await failure(nickel)
            #expect(error?.code == .nickelFailed)
            #expect(error?.message.contains("signal 9") == true)
        }
    }

    @Test func notStarting() async throws {
        try await withTemporaryFolder { folder in
            let nickel = Nickel(executable: "\(folder.path)/none", importPaths: [], environment: [:])
            #expect(await failure(nickel)?.code == .nickelFailed)
        }
    }

    @Test func whatAnUntrustedFileDrawsIsNotObeyed() async throws {
        try await withScript(#"printf 'error: \033[31mred\n  at line 1\n\n' >&2; exit 1"#) { nickel, _ in
            #expect(await failure(nickel)?.logTail == ["error:  [31mred", "  at line 1"])
        }
    }

    @Test func theEvaluatedFileSeesNoSecret() async throws {
        let script = #"env > "$(dirname "$0")/seen"; ulimit -v >> "$(dirname "$0")/seen"; echo '{"a":1}'"#
        try await withScript(script) { nickel, folder in
            #expect(try await nickel.export("/somewhere/ci.ncl") == ["a": 1])
            let seen = try String(contentsOf: folder.appending(path: "seen"), encoding: .utf8)
            #expect(seen.contains("PATH="))
            #expect(!seen.contains("hunter22"))
            #expect(seen.hasSuffix("\n2097152\n"))
        }
    }

    @Test func argumentsInOrder() {
        let nickel = Nickel(executable: "/bin/nickel", importPaths: ["/a", "/b"], environment: [:])
        #expect(
            nickel.arguments(exporting: "/c.ncl") == [
                "export", "--format", "json", "--import-path", "/a", "--import-path", "/b", "/c.ncl",
            ])
    }

    @Test func ownSchemasComeFirst() async throws {
        try await withScript("exit 0") { nickel, folder in
            let found = try Nickel.find(
                for: "x", installation: Installation(share: "/share", libexec: "/libexec"), importPaths: ["/mine"],
                environment: ["PATH": folder.path])
            #expect(found.importPaths == ["/share/schemas", "/share/defaults", "/share", "/mine"])
        }
    }
}
