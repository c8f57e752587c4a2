import Foundation
import LianModel
import LianTestSupport
import Testing

@Suite struct ArgumentTests {
    @Test(
        "wrong arguments: one envelope and exit 2",
        arguments: [
            [], ["pakage"], ["package"], ["package", "pick"], ["package", "pack"], ["package", "pack", ".", "more"],
            ["package", "pack", ".", "--frobnicate"], ["package", "pack", ".", "-o", "yaml"],
            ["package", "pack", ".", "--timeout", "soon"], ["package", "inspect", ".", "--json", "-o", "id"],
        ])
    func refused(arguments: [String]) async throws {
        try await withCloacinaFolder { folder in
            let run = try await folder.run(arguments)
            #expect(run.status == 2)
            #expect(run.code == "invalid_argument")
        }
    }

    @Test func itGoesByTheNamesOfTheProgramsThatItStandsInFor() async throws {
        try await withCloacinaFolder { folder in
            for (name, has, hasNot) in [("cloacinactl", "package", "build"), ("cloaca", "build", "package")] {
                let link = folder.path(name)
                try FileManager.default.createSymbolicLink(
                    atPath: link, withDestinationPath: Project.executable("lian-cloacina"))
                let help = try await folder.run(link, ["--help"])
                #expect(help.output.contains("\n  \(has) "))
                #expect(try await folder.run(link, [has, "--help"]).status == 0)
                let refused = try await folder.run(link, [hasNot])
                #expect(refused.status == 2)
                #expect(refused.code == "invalid_argument")
            }
        }
    }
}
