import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 56 and 57, as far as the context goes: what the engine gets to read.
    @Suite struct VolumeSyncTests {
        @Test("row 56: what changed between two builds on a volume, and looks as it did, is what the second builds")
        func rewritten() async throws {
            try await withRunner { scene, runner, _ in
                let volume = scene.folder.appending(path: "volume/contexts").path
                try FileManager.default.createDirectory(atPath: volume, withIntermediateDirectories: true)
                try runner.setEngine("cat \"$context/f\" \"$context/d\" >'\(scene.folder.path)/seen' 2>&1\nsucceed")
                let context = try scene.context(["f": "old", "gone.log": ""])
                try await runTool("/bin/sh", ["-ec", "cd \"$0\"; mkdir d; touch -d 2020-01-01 f d", context])
                offer(volume, "cold", scene)
                #expect(try await scene.build(context: context).status == 0)
                // As on a new runner: the volume alone is kept.
                try FileManager.default.removeItem(atPath: "\(runner.workDir)/context-0")
                try await runTool(
                    "/bin/sh",
                    [
                        "-ec", "cd \"$0\"; rmdir d; printf new >f; printf file >d; touch -d 2020-01-01 f d", context,
                    ])
                try "*.log\n".write(toFile: "\(context)/.dockerignore", atomically: true, encoding: .utf8)
                offer(volume, "warm", scene)
                let build = try await scene.build(context: context)
                #expect(build.status == 0, "\(build.story)")
                #expect(try String(contentsOfFile: "\(scene.folder.path)/seen", encoding: .utf8) == "newfile")
                // The work folder's context is the one on the volume; nothing else of the build is there.
                let names = try FileManager.default.contentsOfDirectory(atPath: "\(volume)/lian-build/context-0")
                #expect(Set(names) == ["f", "d", "Dockerfile", ".dockerignore"])
                #expect(try FileManager.default.contentsOfDirectory(atPath: volume) == ["lian-build"])
            }
        }

        @Test("row 57: the volume's folder is a link to outside: nothing is written there, and the build goes on")
        func planted() async throws {
            try await withRunner { scene, runner, _ in
                let outside = scene.folder.appending(path: "outside").path
                let volume = scene.folder.appending(path: "volume").path
                try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(atPath: volume, withDestinationPath: outside)
                try runner.setEngine("[ -e \"$context/Dockerfile\" ] && succeed")
                offer(volume, "warm", scene)
                let build = try await scene.build()
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.errorText.contains("volume cannot take the context"), "\(build.errorText)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == [])
            }
        }

        /// Every runner from now on has this volume.
        private func offer(_ path: String, _ state: String, _ scene: FaultScene) {
            let from: JSONValue = state == "warm" ? .string("ci/\(scene.workspace)/app") : .null
            scene.orchestrator.offerVolumes(
                ["state": .string(state), "from": from, "path": .string(path)],
                kept: ["kept": false, "reason": "superseded"])
        }
    }
}
