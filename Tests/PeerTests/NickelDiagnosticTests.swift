import Foundation
import LianConfiguration
import LianModel
import LianTestSupport
import Testing

@testable import LianBuild

@Suite struct NickelDiagnosticTests {
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
