import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The pictures that are drawn of the benchmark's results, of results of the test's own.
@Suite struct BenchPicturesTests {
    private static let names = ["day", "first", "memory", "second"]

    private static let none: JSONValue = ["measures": []]

    /// A day of four builds, and a second build by two tools.
    private static func some(last: Int) -> JSONValue {
        let warm: JSONValue = ["median": 3000]
        let peer: JSONValue = ["median": 90000]
        return [
            "measures": [
                [
                    "row": "changed", "context": "f", "setting": "loopback",
                    "tools": ["lian-build, warm": warm, "plain <script>": peer, "broken": ["failures": ["no"]]],
                    "ratios": ["plain <script>": ["median": 30]],
                ],
                [
                    "row": "rebuilds", "context": "files-5000", "setting": "loopback",
                    "figures": [
                        "builds": [
                            "ms": [5000, 2000, 2100, .integer(last)], "disk_mb": [70, 90, 90, 90],
                            "memory_mb": [24, 25, 25, 25], "descriptors": [22, 22, 22, 22],
                        ]
                    ],
                ],
            ]
        ]
    }

    /// Runs the module on these results; what it complains of, one line for each picture.
    private func pictures(_ arguments: [String], of results: JSONValue, in folder: URL) async throws -> [String] {
        let file = folder.appending(path: "results.json")
        try results.encoded().write(to: file, atomically: true, encoding: .utf8)
        let result = try await run(
            Command(
                try Project.tool("python3"),
                ["-B", "-m", "bench.pictures", "--results", file.path, "--folder", folder.path] + arguments,
                environment: [:], workingDirectory: Project.root.path), deadline: .seconds(60))
        let lines = result.errorText.split(separator: "\n").map(String.init)
        #expect(result.termination == .exited(lines.isEmpty ? 0 : 1), "\(result.errorText)")
        return lines
    }

    private func picture(_ name: String, in folder: URL) throws -> String {
        try String(contentsOf: folder.appending(path: "bench-\(name).svg"), encoding: .utf8)
    }

    @Test func whatIsThereIsShownAndTheRestIsNotMeasured() async throws {
        try await withTemporaryFolder { folder in
            #expect(try await pictures([], of: Self.none, in: folder) == [])
            for name in Self.names { #expect(try picture(name, in: folder).contains(">not measured<"), "\(name)") }

            #expect(try await pictures([], of: Self.some(last: 2200), in: folder) == [])
            let second = try picture("second", in: folder)
            for text in ["one file changed", ">3.0 s<", "plain &lt;script&gt;", ">90.0 s (30 ×)<", ">not measured<"] {
                #expect(second.contains(text), "\(text)")
            }
            #expect(!second.contains("broken"))
            let day = try picture("day", in: folder)
            for text in ["4 builds", "at most 5,000 ms", "at most 90 MB", "last 2,200"] {
                #expect(day.contains(text), "\(text)")
            }
            #expect(!day.contains("not measured"))
        }
    }

    @Test func aPictureOfOtherResultsIsFound() async throws {
        try await withTemporaryFolder { folder in
            let missing = try await pictures(["--check"], of: Self.some(last: 2200), in: folder)
            #expect(missing.count == Self.names.count)
            #expect(try await pictures([], of: Self.some(last: 2200), in: folder) == [])
            #expect(try await pictures(["--check"], of: Self.some(last: 2200), in: folder) == [])
            let stale = try await pictures(["--check"], of: Self.some(last: 2300), in: folder)
            #expect(stale.count == 1)
            #expect(stale.first?.contains("bench-day.svg is not of") == true)
        }
    }
}
