import Foundation
import LianConfiguration
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

@Suite struct NickelDiagnosticTests {
    private struct Silence: BuildReporter {
        func report(_ event: ProgressEvent) {}
    }

    /// How a build spec is refused that lies in a context beside a secret of the caller's.
    private func refusal(ofSpec spec: String, _ change: (URL) throws -> Void = { _ in }) async throws -> LianError? {
        try await withTemporaryFolder { folder in
            let context = try #require(realPath(folder.path))
            try writeFile("\(context)/token", "hvs.SECRET of a vault\n")
            try writeFile("\(context)/word", "hvs.SECRET")
            try writeFile("\(context)/.build-spec.ncl", spec)
            try change(folder)
            let nickel = try Project.tool("nickel")
            let files = try DescriptionFiles(
                options: BuildOptions(),
                surroundings: Surroundings(
                    environment: ["PATH": "\(parentFolder(nickel)):/usr/bin:/bin"],
                    workingFolder: WorkingFolder(context), installation: nil, reporter: Silence()))
            return await #expect(throws: LianError.self) { try await files.buildSpec(in: context) }
        }
    }

    /// It may import what its repository was never meant to read.
    @Test(arguments: [
        ("{ language = import \"token\" as 'Text }", ErrorCode.buildSpecInvalid, "language: must be"),
        ("{ cpu = import \"word\" as 'Text }", .buildSpecInvalid, "cpu: must be a number"),
        ("{ \"%{import \"word\" as 'Text}\" = 1 }", .buildSpecInvalid, "one of its names is not a field"),
        ("{ memory = 1 }", .buildSpecInvalid, "did you mean 'memory_gb'?"),
        ("import \"word\" as 'Text", .buildSpecInvalid, "the document: must be a record"),
        ("\n{ language = (import \"token\" as 'Text) | Number }", .nickelFailed, ", line 2"),
        ("{ language = import \"word\" }", .nickelFailed, "nickel refused"),
    ])
    func ofASpecThatIsNotTrustedNothingIsQuoted(spec: String, code: ErrorCode, says: String) async throws {
        let error = try #require(try await refusal(ofSpec: spec))
        #expect(error.code == code && error.message.contains(says), "\(error)")
        #expect(error.logTail == [] && !"\(error.message) \(error.hint)".contains("SECRET"), "\(error)")
    }

    @Test func aSpecThatIsALinkIsNotRead() async throws {
        let error = try await refusal(ofSpec: "") { context in
            let spec = context.appending(path: ".build-spec.ncl")
            try FileManager.default.removeItem(at: spec)
            try FileManager.default.createSymbolicLink(atPath: spec.path, withDestinationPath: "token")
        }
        #expect(error?.code == .buildSpecInvalid && error?.message.contains("a link") == true)
    }

    /// What the evaluator drew is in the log tail as it drew it.
    @Test func asDrawn() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "bad.ncl")
            try "{ cpu | Number = \"four\" }\n".write(to: file, atomically: true, encoding: .utf8)
            let nickel = Nickel(
                executable: try Project.tool("nickel"), importPaths: [], environment: ["PATH": "/usr/bin:/bin"])
            let error = await #expect(throws: LianError.self) { try await nickel.export(file.path) }
            #expect(error?.code == .nickelFailed)
            #expect(error?.logTail.first?.hasPrefix("error: contract broken by") == true)
            #expect(error?.logTail.contains { $0.contains("cpu | Number = \"four\"") } == true)
            #expect(error?.logTail.contains { $0.contains("^^^") } == true)
        }
    }
}
