import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 22: more output than anyone wants.
    @Suite struct LogTests {
        /// As long as BuildKit lets a line become, or nearly.
        private static let line = "#1 0.1 " + String(repeating: "and so on ", count: 100)

        @Test("row 22: 5 MB on stderr alone") func stderrAlone() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("yes '\(Self.line)' | head -c 5000000 >&2; echo >&2\n\(ScriptedRunner.success)")
                let build = try await scene.build()
                #expect(build.status == 0, "\(build.story.suffix(2000))")
                #expect(build.errorText.utf8.count > 5_000_000)
            }
        }

        enum Shape: String, CaseIterable {
            case manyLines, oneLine
        }

        /// A gigabyte with LIAN_LONG_FAULTS; a line of its own length is shown to its fourth megabyte, and how much
        /// more of it there was.
        @Test("row 22: a log of a gigabyte in bounded memory", arguments: Shape.allCases)
        func longLog(_ shape: Shape) async throws {
            let bytes = areLong ? 1 << 30 : 16 << 20
            let script =
                shape == .manyLines
                ? "yes '\(Self.line)' | head -c \(bytes)" : "head -c \(bytes) /dev/zero | tr '\\0' x"
            try await withRunner { scene, runner, _ in
                // Without optimisation a gigabyte takes its time.
                if areLong { scene.allow { $0.wallTime = .seconds(3600) } }
                try runner.setEngine("\(script); echo\n\(ScriptedRunner.success)")
                scene.orchestrator.script(.destroy, [.after(scene.watch.waitForLook)])
                let build = try await scene.build()
                #expect(build.status == 0, "\(build.story.suffix(2000))")
                #expect(build.errorText.utf8.count > (shape == .manyLines ? bytes : 4 << 20))
                #expect(shape == .manyLines || build.errorText.contains("x … \(bytes - 4 << 20) bytes more\n"))
                // A third of this is the program itself; of a line it holds four megabytes, more than once.
                let bound = (shape == .manyLines ? 48 : 60) << 20
                #expect(scene.peakMemory > 0 && scene.peakMemory < bound, "\(scene.peakMemory)")
            }
        }
    }
}

/// What takes minutes has a shorter form, unless it is asked for.
let areLong = ProcessInfo.processInfo.environment["LIAN_LONG_FAULTS"] == "1"
