import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 34: the evaluator of directives fails. No runner is asked for, and no child is left.
    @Suite struct NickelTests {
        enum Failure: String, CaseIterable {
            case missing, floods, noJSON, refuses, killed, wrongShape

            var script: String? {
                switch self {
                case .missing: nil
                case .floods: "sleep 600 & exec yes '{}'"
                case .noJSON: "echo hello"
                case .refuses: "echo 'error: contract broken by a value' >&2; exit 1"
                case .killed: "kill -KILL $$"
                case .wrongShape: "echo '[]'"
                }
            }

            var code: String {
                switch self {
                case .missing: "nickel_missing"
                case .floods: "nickel_output_too_large"
                case .noJSON: "nickel_output_invalid"
                case .refuses, .killed: "nickel_failed"
                case .wrongShape: "directives_invalid"
                }
            }
        }

        @Test("row 34: nickel fails", arguments: Failure.allCases) func fails(_ failure: Failure) async throws {
            try await withScene { scene in
                let build = try await build(scene, nickel: failure.script)
                expectRefused(build, scene, failure.code)
            }
        }

        @Test("row 34: nickel hangs, with a child of its own") func hangs() async throws {
            try await withScene(waiting: true) { scene in
                let build = try await build(scene, nickel: "trap '' TERM; sleep 600 & wait; wait")
                expectRefused(build, scene, "nickel_timed_out")
                #expect((.seconds(30)..<(.seconds(30) + scene.allowing(.seconds(25)))).contains(build.duration))
            }
        }

        /// Directives that are read by this nickel, or by none.
        private func build(_ scene: FaultScene, nickel script: String?) async throws -> FinishedBuild {
            let programs = scene.folder.appending(path: "bin")
            try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
            if let script { try writeScript(script, to: programs.appending(path: "nickel")) }
            let file = scene.folder.appending(path: "ci.ncl").path
            try writeFile(file, "{}\n")
            // The programs of the shell, among which there is no nickel.
            let path = script == nil ? programs.path : "\(programs.path):/usr/bin:/bin"
            return try await scene.finish(
                scene.start(
                    Command(
                        Project.executable("lian-build"), ["build", "--directives", file],
                        environment: scene.environment(["PATH": path]), workingDirectory: scene.folder.path)))
        }

        private func expectRefused(_ build: FinishedBuild, _ scene: FaultScene, _ code: String) {
            #expect(build.status == 2 && build.errorCode == code, "\(build.story)")
            #expect(build.phase == "resolve" && !build.hint.isEmpty && build["runner"] == .null)
            #expect(scene.orchestrator.requests(.spawn).isEmpty)
        }
    }
}
