import Foundation
import LianCLI
import LianCloacinaCLI
import LianFlags
import LianModel
import LianOrchestrator
import LianSystem
import LianTestSupport
import Testing

private let programs = [CommandSyntax.lianBuild, .lianOrchestrator, .cloacina].map { Program(syntax: $0) }

/// The completions as the shells themselves understand them.
@Suite struct CompletionTests {
    /// The start of a flag that no other flag of the same command shares.
    private func start(of flag: Flag, among flags: [Flag]) -> String {
        let others = flags.map(\.name).filter { $0 != flag.name }
        let lengths = 3...flag.name.count
        let length = lengths.first { length in !others.contains { $0.hasPrefix(flag.name.prefix(length)) } }
        return String(flag.name.prefix(length ?? flag.name.count))
    }

    /// A flag that others begin with is told with them by fish, which lists what there is to choose from.
    private func told(of flag: Flag, among flags: [Flag], by shell: Shell) -> String {
        guard shell == .fish else { return flag.name }
        return flags.map(\.name).filter { $0.hasPrefix(start(of: flag, among: flags)) }.sorted().joined(separator: "|")
    }

    @Test(arguments: programs, Shell.allCases)
    func everyFlagIsCompleted(program: Program, shell: Shell) async throws {
        try await withCompletions(of: program, in: shell) { completing in
            for level in program.syntax.levels {
                let lines = level.flags.map { "\(level.invocation) \(start(of: $0, among: level.flags))" }
                let completed = try await completing.complete(lines)
                #expect(completed == level.flags.map { told(of: $0, among: level.flags, by: shell) })
            }
        }
    }

    @Test(arguments: Shell.allCases)
    func subcommandsWordsAndPaths(shell: Shell) async throws {
        let cases = [
            ("lian-build bu", "build"), ("lian-build inte", "integrate"), ("lian-build --completions f", "fish"),
            ("lian-build build --progress pl", "plain"), ("lian-build build --progress=pl", "--progress=plain"),
            ("lian-build build --no-cache --compression est", "estargz"), ("lian-build build --language ko", "kotlin"),
            ("lian-build build --fil", "--file"), ("lian-build build --file see", "seed.nk"),
            ("lian-build build --network=no", "--network=none"),
            // Only folders where a folder is meant.
            ("lian-build build --context su", "subfolder/"), ("lian-build build --context=su", "--context=subfolder/"),
            ("lian-build build --image a:1 --directives see", "seed.nk"),
            ("lian-build build --ssh-key eph", "ephemeral"), ("lian-build build --ssh-key tw", "two words"),
            // A path behind a marker, and none without it.
            ("lian-build integrate --nats-nkey-seed @se", "@seed.nk"),
            ("lian-build build --nats-nkey-seed=@se", "--nats-nkey-seed=@seed.nk"),
            ("lian-build build --secret id=x,src=se", "id=x,src=seed.nk"),
            ("lian-build build --build-context=x=su", "--build-context=x=subfolder/"),
        ]
        try await withCompletions(of: programs[0], in: shell) { completing in
            let completed = try await completing.complete(cases.map(\.0))
            #expect(completed == cases.map(\.1))
            let silent = ["lian-build build --image se", "lian-build build --nats-nkey-seed se"]
            let kept = shell == .fish ? ["", ""] : ["se", "se"]
            let unchanged = try await completing.complete(silent)
            #expect(unchanged == kept)
        }
    }

    @Test(arguments: Shell.allCases)
    func theOrchestrators(shell: Shell) async throws {
        let cases = [
            ("lian-orchestrator --engine bui", "buildkit"), ("lian-orchestrator --on-stop=k", "--on-stop=keep"),
            ("lian-orchestrator --sweep --state su", "subfolder/"), ("lian-orchestrator --token-file se", "seed.nk"),
        ]
        try await withCompletions(of: programs[1], in: shell) { completing in
            let completed = try await completing.complete(cases.map(\.0))
            #expect(completed == cases.map(\.1))
        }
    }

    @Test(arguments: Shell.allCases)
    func commandsWithinCommands(shell: Shell) async throws {
        let cases = [
            ("lian-cloacina pac", "package"), ("lian-cloacina package unp", "unpack"),
            ("lian-cloacina plugin insp", "inspect"), ("lian-cloacina package pack su", "subfolder/"),
            ("lian-cloacina package sign see", "seed.nk"), ("lian-cloacina package pack --layout cd", "cdylib"),
            ("lian-cloacina build --output su", "subfolder/"), ("lian-cloacina package build --output ta", "table"),
        ]
        try await withCompletions(of: programs[2], in: shell) { completing in
            let completed = try await completing.complete(cases.map(\.0))
            #expect(completed == cases.map(\.1))
        }
    }

    @Test func anotherShellIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let refusal = "--completions must be one of bash, zsh, fish, not 'fsh'; did you mean 'fish'?"
            let build = try await programs[0].run(["--completions", "fsh"], in: folder)
            #expect(build.status == .exited(2))
            let envelope = try JSONValue.parse(build.output)
            #expect(envelope["error"]?["code"] == "invalid_argument")
            #expect(envelope["error"]?["message"] == .string(refusal))
            #expect(envelope["error"]?["hint"]?.stringValue?.contains("lian-build --help") == true)

            let orchestrator = try await programs[1].run(["--completions", "fsh"], in: folder)
            #expect(orchestrator.status == .exited(2))
            #expect(orchestrator.output.isEmpty)
            #expect(orchestrator.errors.contains("error: \(refusal)\nhint: "))
        }
    }

    @Test(arguments: [
        ["--completions"], ["--completions", "bash", "zsh"], ["--completions="], ["--completion", "zsh"],
    ])
    func halfAQuestionIsRefused(arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            for program in programs {
                let run = try await program.run(arguments, in: folder)
                #expect(run.status == .exited(2), "\(program.syntax.name)")
            }
        }
    }
}
