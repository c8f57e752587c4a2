import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 62: the runner's disk is full, by the words of an engine that is a script, and for real.
    @Suite struct DiskTests {
        /// Fills the disk the first time, or every time, and goes well after that.
        private func engine(_ step: String = "[1/1] COPY . /", always: Bool = false) -> String {
            """
            if \(always) || [ ! -e "$HOME/failed" ]; then
              : >"$HOME/failed"
              echo '#1 \(step)'
              echo '#1 ERROR: write /var/lib/a/b: no space left on device'
              echo 'error: failed to solve: write /var/lib/a/b: no space left on device' >&2
              exit 1
            fi
            \(ScriptedRunner.success)
            """
        }

        private func build(_ scene: FaultScene, disks: [JSONValue]) async throws -> FinishedBuild {
            let tiers = disks.enumerated().map { index, disk -> JSONValue in
                var tier: [String: JSONValue] = [
                    "name": .string("t\(index)"), "cpu": .integer(2 + index), "memory_gb": 4,
                ]
                if disk != .null { tier["disk_gb"] = disk }
                return .object(tier)
            }
            let directives: JSONValue = [
                "schema_version": "1", "workspace": .string(scene.workspace),
                "artifacts": [["name": "app", "context": .string(try scene.context()), "image": .string(scene.image)]],
                "compute": ["provider": "local", "tiers": .array(tiers)],
                "registry": ["provider": "generic", "endpoint": "127.0.0.1:1"],
            ]
            let file = scene.folder.appending(path: "ci.json").path
            try writeFile(file, directives.encoded())
            let command = Command(
                Project.executable("lian-build"), ["build", "--directives", file], environment: scene.environment(),
                workingDirectory: scene.folder.path)
            return try await scene.finish(try scene.start(command))
        }

        @Test("row 62: the next tier that says it has a larger disk is tried once") func theNextLargerDisk()
            async throws
        {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine())
                let build = try await build(scene, disks: [20, 20, 40, 80])
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed", "succeeded"])
                #expect(build.attempts.map { $0["tier"] } == ["t0", "t2"])
                #expect(build.attempts.map { $0["disk_full"] } == ["layers", .null])
                #expect(build["error"] == .null && scene.orchestrator.runners.count == 2)
                #expect(build.errorText.contains("; once more on t2"), "\(build.errorText)")
            }
        }

        @Test("row 62: never a third time, and where no tier has more disk not a second", arguments: [true, false])
        func neverAThirdTime(_ isLarger: Bool) async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine("exporting to image", always: true))
                let build = try await build(scene, disks: isLarger ? [20, 40, 80] : [20, .null, 20])
                #expect(build.status == 5 && build.errorCode == "disk_full", "\(build.story)")
                #expect(build.attempts.map { $0["disk_full"] } == (isLarger ? ["export", "export"] : ["export"]))
                #expect(build.message.contains(isLarger ? "again, on a larger tier" : "no tier above says"))
                #expect(scene.orchestrator.runners.count == (isLarger ? 2 : 1))
            }
        }

        @Test("row 62: a step says that a disk is full, and the runner's is not") func onlySaid() async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(
                    """
                    echo '#1 [1/1] RUN make'
                    echo '#1 0.1 make: no space left on device'
                    echo '#1 ERROR: process "make" did not complete successfully: exit code: 1'
                    echo 'error: failed to solve: process "make" did not complete successfully: exit code: 1' >&2
                    exit 1
                    """)
                let build = try await build(scene, disks: [20, 40])
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.attempts.map { $0["disk_full"] } == [.null])
            }
        }

        enum Filling: String, CaseIterable {
            case layers, context
            case cacheMounts = "cache_mounts"

            /// The step lives on for as long as the disk is sure to be looked at.
            fileprivate var step: String {
                let fill = "busybox dd if=/dev/zero bs=1M of"
                let after = "busybox sleep 4; exit 1"
                return switch self {
                case .layers: "RUN \(fill)=/fill; \(after)"
                case .cacheMounts: "RUN --mount=type=cache,target=/c \(fill)=/c/fill; \(after)"
                case .context: "RUN echo never"
                }
            }
        }

        @Test("row 62: a real engine's disk is filled", .realEngine, arguments: Filling.allCases)
        func forReal(_ filling: Filling) async throws {
            try await withRealScene(diskKilobytes: 300_000) { scene, front in
                let context = try scene.context(BuildScene.shell + filling.step + "\n")
                if filling == .context {
                    let large = "\(context)/large"
                    try Data().write(to: URL(filePath: large))
                    try #require(truncate(large, 600 << 20) == 0)
                }
                let build = try await scene.build(context: context, environment: ["ORCHESTRATOR_URL": front.url])
                #expect(build.status == 5 && build.errorCode == "disk_full", "\(build.story)")
                #expect(build.attempts.map { $0["disk_full"] } == [.string(filling.rawValue)])
                #expect(front.runners.count == 1 && build.isRunnerDestroyed == true)
            }
        }
    }
}
