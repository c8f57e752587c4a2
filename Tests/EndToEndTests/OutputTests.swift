import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension EndToEnd {
    /// What a build brings to its caller, with Docker's BuildKit.
    @Suite struct OutputTests {
        @Test func aFolder() async throws {
            try await OutputCases().aFolder()
        }

        @Test(arguments: ["tar", "docker"]) func aFile(of kind: String) async throws {
            try await OutputCases().aFile(of: kind)
        }

        @Test func whatAFailedBuildLeaves() async throws {
            try await OutputCases().whatAFailedBuildLeaves()
        }

        @Test(.needsDockerEngine) func anImageIsLoaded() async throws {
            try await OutputCases().anImageIsLoaded()
        }

        @Test(arguments: [["--output", "type=oci,dest=a.tar"], ["--output", "out", "--output", "type=image"]])
        func whatThisEngineCannotDo(flags: [String]) async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let build = try await scene.build(context: context, flags)
                #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.story)")
                #expect(build["error"]["message"]?.stringValue?.contains("output") == true, "\(build["error"])")
                #expect(!FileManager.default.fileExists(atPath: scene.folder.appending(path: "out").path))
            }
        }
    }
}

/// Outputs of any engine.
struct OutputCases {
    /// Everything of the image's files: modes, links, names; and what lay there before and is none of it stays.
    func aFolder() async throws {
        try await withScene { scene in
            let context = try scene.context(
                "\(Scene.shell)RUN mkdir -p /out/deep/er && echo one >/out/one && echo 'two' >'/out/deep/a b' "
                    + "&& chmod 751 /out/one && ln -s ../one /out/deep/link && ln -s /etc /out/absolute "
                    + "&& chmod 500 /out/deep/er\nFROM scratch\nCOPY --from=0 /out /\n")
            let dest = scene.folder.appending(path: "made/here")
            for round in 1...2 {
                let build = try await scene.build([
                    "--workspace", scene.workspace, "--context", context, "--output", "made/here",
                ])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.artifact["image"] == .null && build.artifact["pushed"] == false)
                let output = build["outputs"][0] ?? .null
                #expect(output["type"] == "local" && output["bytes"] == 8, "\(build["outputs"])")
                #expect(output["dest"]?.stringValue == realPath(dest.path))
                #expect(try String(contentsOf: dest.appending(path: "deep/a b"), encoding: .utf8) == "two\n")
                let one = try FileManager.default.attributesOfItem(atPath: dest.appending(path: "one").path)
                #expect(one[.posixPermissions] as? Int == 0o751)
                let inner = try FileManager.default.attributesOfItem(atPath: dest.appending(path: "deep/er").path)
                #expect(inner[.posixPermissions] as? Int == 0o500)
                for (link, target) in [("deep/link", "../one"), ("absolute", "/etc")] {
                    let found = try FileManager.default.destinationOfSymbolicLink(
                        atPath: dest.appending(path: link).path)
                    #expect(found == target)
                }
                let names = try FileManager.default.contentsOfDirectory(atPath: dest.path).sorted()
                #expect(names == ["absolute", "deep", "one"] + (round == 1 ? [] : ["other"]))
                try "mine".write(to: dest.appending(path: "other"), atomically: true, encoding: .utf8)
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: scene.folder.path).allSatisfy { !$0.hasPrefix(".") }
            )
        }
    }

    func aFile(of kind: String) async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY note /\n", files: ["note": "of the file"])
            let file = scene.folder.appending(path: "sub/made.tar")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try "old".write(to: file, atomically: true, encoding: .utf8)
            let build = try await scene.build(context: context, ["--output", "type=\(kind),dest=sub/made.tar"])
            try #require(build.status == 0, "\(build.story)")
            #expect(build["outputs"][0]?["type"]?.stringValue == kind)
            let size = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int
            #expect(build["outputs"][0]?["bytes"]?.intValue == size)
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o644)
            let list = try await runTool("/bin/tar", ["-tf", file.path])
            #expect(list.contains(kind == "tar" ? "note" : kind == "oci" ? "index.json" : "manifest.json"), "\(list)")
            if kind == "docker" {
                let manifest = try await runTool("/bin/tar", ["-xOf", file.path, "manifest.json"])
                #expect(manifest.contains(scene.image()), "\(manifest)")
            }
            #expect(try await scene.pushedDigest() == nil)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: scene.folder.appending(path: "sub").path) == [
                    "made.tar"
                ])
        }
    }

    /// What was there before is whole, and nothing lies beside it.
    func whatAFailedBuildLeaves() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY none /\n")
            let file = scene.folder.appending(path: "made.tar")
            try "old".write(to: file, atomically: true, encoding: .utf8)
            let before = try FileManager.default.contentsOfDirectory(atPath: scene.folder.path).filter {
                $0.hasPrefix(".")
            }
            let build = try await scene.build(context: context, ["--output", "type=tar,dest=made.tar"])
            #expect(
                build.status == 1 && build.errorCode == "build_failed" && build["outputs"] == .null, "\(build.story)")
            #expect(try String(contentsOf: file, encoding: .utf8) == "old")
            let after = try FileManager.default.contentsOfDirectory(atPath: scene.folder.path).filter {
                $0.hasPrefix(".")
            }
            #expect(after == before)
        }
    }

    func anImageIsLoaded() async throws {
        try await DockerEngine.with { engine in
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY note /\n", files: ["note": "n"])
                let build = try await scene.build(
                    context: context, ["--load"], environment: ["DOCKER_HOST": engine.host])
                try #require(build.status == 0, "\(build.story)")
                #expect(build["outputs"][0]?["type"] == "load" && build["outputs"][0]?["dest"] == "docker")
                let found = try await engine.docker(["image", "inspect", "--format", "{{.RepoTags}}", scene.image()])
                #expect(found.outputText == "[\(scene.image())]\n", "\(found.errorText)")
                #expect(try await scene.pushedDigest() == nil)
            }
        }
    }
}
