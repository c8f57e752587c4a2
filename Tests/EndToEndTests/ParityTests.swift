import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// What users of buildx know, with Docker's BuildKit: what it can, and what it is refused for by name.
    @Suite struct ParityTests {
        @Test func whatIsNotToBePushedIsNot() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let id = scene.folder.appending(path: "id")
                try "sha256:stale".write(to: id, atomically: true, encoding: .utf8)
                let build = try await scene.build(context: context, ["--no-push", "--iidfile", id.path])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.artifact["status"] == "succeeded" && build.artifact["pushed"] == false)
                #expect(try await scene.pushedDigest() == nil)
                let written = try String(contentsOf: id, encoding: .utf8)
                #expect(TextRule.pinnedReference.holds("localhost/a@\(written)"), "\(written)")
                #expect(build.errorText.contains("\(scene.image()): not pushed"), "\(build.errorText)")
            }
        }

        /// What an earlier build left is not taken for this one's.
        @Test func aFailedBuildLeavesNoImageID() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY none /\n")
                let id = scene.folder.appending(path: "id")
                try "sha256:stale".write(to: id, atomically: true, encoding: .utf8)
                let build = try await scene.build(context: context, ["--iidfile", id.path])
                #expect(build.status == 1 && build.artifact["pushed"] == .null)
                #expect(!FileManager.default.fileExists(atPath: id.path))
            }
        }

        @Test func hostsAndNetworkOfSteps() async throws {
            try await withScene { scene in
                let dockerfile =
                    Scene.shell + "RUN busybox grep -q '10.0.0.7.*db.test' /etc/hosts\n"
                    + "RUN busybox test -z \"$(busybox ip route)\"\n"
                let context = try scene.context(dockerfile)
                let build = try await scene.build(
                    context: context, ["--add-host", "db.test:10.0.0.7", "--network", "none", "--pull"])
                #expect(build.status == 0, "\(build.story)")
            }
        }

        @Test func aDockerfileOnStdin() async throws {
            try await StdinCases().aDockerfileOnStdin()
        }

        @Test func aContextThatTheEngineFetches() async throws {
            try await FetchedContextCases().anArchive()
        }

        @Test(arguments: [
            (["--ulimit", "nofile=1024"], "--opt ulimit"), (["--shm-size", "64m"], "--opt shm-size"),
            (["--no-cache-filter", "a"], "no-cache for single stages"),
            (["--annotation", "a=b"], "--output annotation.a=b"),
            (["--allow", "security.insecure"], "--allow security.insecure"),
            (["--call", "check"], "--call check"), (["--cache-to", "type=s3,bucket=b"], "--export-cache type=s3"),
        ])
        func whatThisEngineCannotDo(flags: [String], name: String) async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let build = try await scene.build(context: context, flags)
                #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.story)")
                #expect(build["error"]["message"]?.stringValue?.contains(name) == true, "\(build["error"])")
                #expect(try await scene.pushedDigest() == nil)
            }
        }
    }
}

/// A Dockerfile that comes by itself, for any engine.
struct StdinCases {
    func aDockerfileOnStdin() async throws {
        try await withScene { scene in
            // The context's own Dockerfile, which fails, is not read; its ignore file is.
            let context = try scene.context(
                "FROM scratch\nCOPY none /\n", files: ["note": "n", "left-out": "o", ".dockerignore": "left-out\n"])
            let dockerfile = scene.folder.appending(path: "given")
            try "FROM scratch\nCOPY note /\n".write(to: dockerfile, atomically: true, encoding: .utf8)
            let build = try await scene.build(reading: dockerfile, scene.flags(context) + ["--file", "-"])
            try #require(build.status == 0, "\(build.story)")
            #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
            #expect(build["context"]["files"] == 4)
            #expect(build.errorText.contains("COPY note /"))
            try "FROM scratch\nCOPY left-out /\n".write(to: dockerfile, atomically: true, encoding: .utf8)
            let failed = try await scene.build(reading: dockerfile, scene.flags(context) + ["--dockerfile=-"])
            #expect(failed.status == 1 && failed.errorCode == "build_failed", "\(failed.story)")
        }
    }
}

/// A context that does not travel from here, for any engine.
struct FetchedContextCases {
    func anArchive() async throws {
        try await withScene { scene in
            let folder = URL(filePath: try scene.context("FROM scratch\nCOPY note /\n", files: ["note": "n"]))
            let archive = scene.folder.appending(path: "context.tar.gz")
            try await runTool("/bin/tar", ["-C", folder.path, "-czf", archive.path, "."])
            try await withScriptedHTTPServer { server in
                let bytes = Array(try Data(contentsOf: archive))
                server.on("GET", "/context.tar.gz", [.answer(200, bytes)])
                server.on("HEAD", "/context.tar.gz", [.answer(200)])
                let build = try await scene.build(
                    context: "http://127.0.0.1:\(server.port)/context.tar.gz")
                try #require(build.status == 0, "\(build.story)")
                #expect(build["context"]["files"] == 0 && build["context"]["sent_bytes"] == 0)
                #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
                #expect(!server.requests("GET", "/context.tar.gz").isEmpty)
            }
        }
    }
}
