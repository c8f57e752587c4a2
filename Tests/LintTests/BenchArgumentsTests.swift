import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// What is asked of the benchmark is looked at before anything is built for it.
@Suite struct BenchArgumentsTests {
    private func bench(_ arguments: [String]) async throws -> SubprocessResult {
        try await run(
            Command(
                try Project.tool("python3"), ["-B", "-m", "bench"] + arguments,
                environment: ["PATH": "/usr/sbin:/usr/bin:/bin"], workingDirectory: Project.root.path),
            deadline: .seconds(60))
    }

    @Test func whatIsThereIsTaken() async throws {
        let answer = try await bench(["--only", "whole/b/far", "--only", "//loopback", "--quick"])
        #expect(answer.termination == .exited(0) && answer.errorText.isEmpty, "\(answer.errorText)")
    }

    @Test func anUnknownRowIsTold() async throws {
        let answer = try await bench(["--only", "hole/b/far"])
        #expect(answer.termination == .exited(2))
        #expect(answer.errorText.contains("there is no row 'hole': whole, ready, "), "\(answer.errorText)")
    }

    /// Figures of two machines do not stand side by side.
    @Test func resultsOfAnotherMachineAreNotAmended() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "results.json")
            let results: JSONValue = ["form": "full", "machine": ["cores": 1000], "notes": [], "measures": []]
            try results.encoded().write(to: file, atomically: true, encoding: .utf8)
            let answer = try await bench(["--into", file.path])
            #expect(answer.termination == .exited(2))
            #expect(answer.errorText.contains("is of another machine or form: "), "\(answer.errorText)")
            #expect(answer.errorText.contains("cores was 1000 there and is"), "\(answer.errorText)")
        }
    }
}
