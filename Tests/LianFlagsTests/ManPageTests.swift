import Foundation
import LianCLI
import LianCloacinaCLI
import LianFlags
import LianModel
import LianOrchestrator
import LianSystem
import LianTestSupport
import Testing

@Suite struct ManPageTests {
    private func run(_ program: String, _ arguments: [String]) async throws -> (output: String, errors: String) {
        let result = try await LianSystem.run(
            Command(program, arguments, environment: ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"]),
            deadline: .seconds(60))
        try #require(result.termination.isSuccess, "\(program): \(result.errorText)")
        return (result.outputText, result.errorText)
    }

    /// As groff sets them: no warning, and all that the table holds, to be copied as it stands.
    @Test(arguments: [CommandSyntax.lianBuild, .lianOrchestrator, .cloacina].map(\.name))
    func thePagesHoldWhatTheTableHolds(name: String) async throws {
        let program = try #require([CommandSyntax.lianBuild, .lianOrchestrator, .cloacina].first { $0.name == name })
        try await withTemporaryFolder { folder in
            _ = try await run(Project.executable("lian-manpages"), [folder.path])
            let page = folder.appending(path: "\(name).1").path
            // So wide that no entry is broken over two lines.
            let set = try await run("/usr/bin/groff", ["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=300n", page])
            #expect(set.errors.isEmpty)
            #expect(set.output.contains(" \(lianBuildVersion) "))
            for level in program.levels {
                for flag in level.flags {
                    let names = ((flag.short.map { ["-\($0)"] } ?? []) + flag.names).joined(separator: ", ")
                    let head = names + (flag.valueName.map { " \($0)" } ?? "")
                    #expect(set.output.contains("\n       \(head)"), "\(head)")
                    #expect(set.output.contains(flag.help), "\(flag.help)")
                    if let variable = flag.environment { #expect(set.output.contains("[\(variable)]")) }
                }
                for line in level.examples.flatMap(\.lines) { #expect(set.output.contains(line), "\(line)") }
                for entry in level.exits + level.variables + level.files {
                    #expect(set.output.contains(entry.name) && set.output.contains("\(entry.meaning)."))
                }
            }
        }
    }

    @Test func nothingInATextIsARequest() async throws {
        let odd = [".so /etc/passwd", "'quoted' at the start", #"a \fBbackslash\n and "quotes" `here` ~ ^"#]
        let syntax = CommandSyntax(
            "odd", summary: "Odd.", usage: ["odd"],
            groups: [FlagGroup("A \"group\"", odd.map { Flag.toggle("--odd", $0) })], notes: odd)
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "odd.1")
            let page = ManPage.page(for: syntax, version: "1", seeAlso: [])
            try page.write(to: file, atomically: true, encoding: .utf8)
            let set = try await run("/usr/bin/groff", ["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=300n", file.path])
            #expect(set.errors.isEmpty)
            for text in odd {
                #expect(set.output.components(separatedBy: text).count == 3, "\(text)")
            }
        }
    }
}
