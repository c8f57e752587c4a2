import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// `package build --remote`, with a `lian-build` that says and brings what a test wants. That the real one does it is
/// shown by EndToEndTests.
@Suite struct RemoteBuildTests {
    @Test func whatIsAskedAndWhatComesBack() async throws {
        try await withRemote { folder in
            let run = try await folder.run(
                ["package", "build", "crate", "--release", "--remote", "remote.json"], remote)
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.envelope["status"] == "succeeded" && run.envelope["artifact"] == .null)
            #expect(run.envelope["package"]?["name"] == "my-flow")
            let place = "crate/target/release/libmy_flow.so"
            #expect(try folder.bytes(place) == folder.bytes("library"))
            let mode = try FileManager.default.attributesOfItem(atPath: folder.path(place))[.posixPermissions] as? Int
            #expect(mode.map { $0 & 0o500 } == 0o500)
            // Its words for people are there; its result is not.
            #expect(run.errors.contains("step 3 of 7") && run.errors.contains("Created: "))
            let plan = try words("asked-plan", folder)
            let asked = try words("asked-build", folder)
            #expect(asked.prefix(5) == ["build", "--directives", folder.path("remote.json"), "--dockerfile", "-"])
            #expect(asked.contains("ephemeral") && plan.contains("--dry-run") && !asked.contains("--dry-run"))
            let dockerfile = String(decoding: try folder.bytes("dockerfile-build"), as: UTF8.self)
            #expect(
                dockerfile == """
                    ARG RUST_IMAGE=docker.io/library/rust:1-bookworm
                    FROM ${RUST_IMAGE} AS build
                    ENV CARGO_TARGET_DIR=/target
                    WORKDIR /crate
                    COPY . .
                    RUN ["cargo","build","--release"]
                    FROM scratch
                    COPY --from=build /target/release/libmy_flow.so /crate/Cargo.toml /

                    """)
            #expect(try folder.bytes("dockerfile-plan") == Array(dockerfile.utf8))
            // As after cargo's own build.
            let packed = try await folder.run(["package", "pack", "crate", "--layout", "cdylib", "-o", "id"])
            #expect(packed.output == "my-flow-1.cloacina\n")
        }
    }

    @Test func keyAndTargetFolderOfTheCaller() async throws {
        try await withRemote { folder in
            var environment = remote
            environment["BUILDKIT_SSH_KEY"] = "mine"
            environment["CARGO_TARGET_DIR"] = "out"
            let run = try await folder.run(["package", "build", "crate", "--remote", "remote.json"], environment)
            #expect(run.status == 0, "\(run.errors)")
            #expect(try folder.bytes("out/debug/libmy_flow.so") == folder.bytes("library"))
            #expect(try !words("asked-build", folder).contains("ephemeral"))
        }
    }

    @Test(arguments: Self.failures) func whatGoesWrong(failure: Failure) async throws {
        try await withRemote(plan: failure.plan, build: failure.build) { folder in
            let run = try await folder.run(["package", "build", "crate", "--remote", failure.file], remote)
            #expect(run.code == failure.code && run.status == failure.status, "\(run.errors)")
            let message = run.envelope["error"]?["message"]?.stringValue ?? ""
            #expect(failure.says.isEmpty || message.contains(failure.says), "\(message)")
            #expect(!FileManager.default.fileExists(atPath: folder.path("crate/target")))
            #expect(!FileManager.default.fileExists(atPath: folder.path("asked-build")) || failure.reachesTheBuild)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp")) == [])
        }
    }

    @Test func withoutTheProgram() async throws {
        try await withRemote { folder in
            // Nothing lies beside this one.
            try FileManager.default.createDirectory(
                atPath: folder.path("alone"), withIntermediateDirectories: false)
            try FileManager.default.copyItem(
                atPath: Project.executable("lian-cloacina"), toPath: folder.path("alone/lian-cloacina"))
            let run = try await folder.run(
                folder.path("alone/lian-cloacina"), ["package", "build", "crate", "--remote", "remote.json"])
            #expect(run.code == "lian_build_missing" && run.status == 4, "\(run.errors)")
        }
    }

    @Test func aPackageInPythonNeedsNoRunner() async throws {
        try await withRemote { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            let run = try await folder.run(["package", "build", "etl", "--remote", "remote.json"], remote)
            #expect(run.status == 0, "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.path("asked-plan")))
        }
    }

    /// What it has to undo, it undoes: it is told to end, and waited for.
    @Test func itIsWaitedForWhereTimeIsUp() async throws {
        let slow = "trap 'sleep 2; echo destroyed >runner; exit 143' TERM; : >begun; while :; do sleep 0.1; done"
        try await withRemote(build: slow) { folder in
            let run = try await withEnoughTime(from: .seconds(2), ample: .seconds(128)) { limit in
                try await folder.run(
                    [
                        "package", "build", "crate", "--remote", "remote.json", "--timeout",
                        "\(limit.components.seconds)",
                    ], remote)
            } wasEnough: { _ in
                FileManager.default.fileExists(atPath: folder.path("begun"))
            }
            #expect(run.status == 6 && run.envelope["status"] == "timed_out", "\(run.errors)")
            #expect(try folder.bytes("runner") == Array("destroyed\n".utf8))
        }
    }

    struct Failure: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var file = "remote.json"
        var plan = Self.planned
        var build = Self.built
        let code: String
        let status: Int32
        var says = ""
        var reachesTheBuild: Bool { plan == Self.planned }

        static let planned = result("planned")
        /// The library and the manifest, as COPY brings them.
        static let built =
            "mkdir \"$dest\"; cp library \"$dest/libmy_flow.so\"; cp crate/Cargo.toml \"$dest/\"; " + made
        static let made = "echo 'step 3 of 7' >&2; " + result("succeeded")

        static func result(
            _ status: String, platforms: String = "null", warnings: String = "", error: String = "null"
        ) -> String {
            """
            echo '{"schema":"lian-build/result/v1","status":"\(status)","artifacts":[{"platforms":\(platforms)}],\
            "warnings":[\(warnings)],"error":\(error)}'
            """
        }

        static func failed(_ code: String, exit: Int, message: String = "it went wrong") -> String {
            result("failed", error: #"{"code":"\#(code)","message":"\#(message)","hint":"mend it"}"#)
                + "; exit \(exit)"
        }
    }

    private static func brings(_ name: String, _ commands: String, code: String, says: String, status: Int32 = 1)
        -> Failure
    {
        Failure(
            testDescription: name,
            build: "mkdir \"$dest\"; cp crate/Cargo.toml \"$dest/\"; \(commands); \(Failure.made)", code: code,
            status: status, says: says)
    }

    private static func overridden(_ flag: String, _ field: String) -> Failure {
        Failure(
            testDescription: "the file has \(field)",
            plan: Failure.result(
                "planned",
                warnings:
                    #"{"code":"flag_overridden","message":"\#(flag) is not used: the directives write \#(field)"}"#),
            code: "remote_invalid", status: 2, says: "'\(field)'")
    }

    private static let failures = [
        Failure(testDescription: "no file", file: "none.json", code: "file_unreadable", status: 2, says: "none.json"),
        Failure(testDescription: "a folder", file: "crate", code: "file_unreadable", status: 2, says: "crate"),
        Failure(
            testDescription: "the file is refused", plan: Failure.failed("directives_invalid", exit: 2),
            code: "remote_invalid", status: 2, says: "it went wrong (directives_invalid)"),
        overridden("--dockerfile", "dockerfile"), overridden("--output", "outputs"),
        Failure(
            testDescription: "several platforms",
            plan: Failure.result("planned", platforms: #"["linux/amd64","linux/arm64"]"#), code: "remote_invalid",
            status: 2, says: "several platforms"),
        Failure(
            testDescription: "cargo fails", build: Failure.failed("build_failed", exit: 1), code: "cargo_failed",
            status: 1,
            says: "it went wrong (build_failed)"),
        Failure(
            testDescription: "nothing to copy",
            build: Failure.failed(
                "build_failed", exit: 1,
                message: "x: the step [2/2] COPY --from=build /target/debug/libmy_flow.so / failed"
            ), code: "library_missing", status: 1, says: "libmy_flow.so"),
        Failure(
            testDescription: "out of memory", build: Failure.failed("out_of_memory", exit: 5), code: "cargo_failed",
            status: 1),
        Failure(
            testDescription: "no orchestrator", build: Failure.failed("orchestrator_unreachable", exit: 3),
            code: "remote_failed", status: 3),
        Failure(
            testDescription: "no runner", build: Failure.failed("ssh_failed", exit: 4), code: "remote_failed", status: 3
        ),
        Failure(
            testDescription: "out of time", build: Failure.failed("timed_out", exit: 6), code: "timed_out", status: 6),
        Failure(
            testDescription: "its own defect", build: Failure.failed("internal_error", exit: 70),
            code: "lian_build_failed", status: 4),
        Failure(
            testDescription: "another program", plan: "echo usage >&2; exit 64", code: "lian_build_failed", status: 4,
            says: "exit 64 and without a result"),
        Failure(
            testDescription: "no JSON", build: "mkdir \"$dest\"; echo done", code: "lian_build_failed", status: 4,
            says: "exit 0 and without a result"),
        Failure(testDescription: "killed", build: "kill -9 $$", code: "lian_build_failed", status: 4),
        Failure(
            testDescription: "an endless result", build: "yes | head -c 5000000", code: "lian_build_failed", status: 4),
        Failure(
            testDescription: "nothing", build: Failure.made, code: "remote_invalid", status: 2, says: "another folder"),
        brings(
            "another crate", "cp library \"$dest/libmy_flow.so\"; echo '[package]' >\"$dest/Cargo.toml\"",
            code: "remote_invalid", says: "another folder", status: 2),
        brings("no library", "true", code: "library_missing", says: "libmy_flow.so"),
        brings(
            "a link in its place", "ln -s \"$PWD/library\" \"$dest/libmy_flow.so\"", code: "library_missing",
            says: "not a regular file"),
        brings("a folder in its place", "mkdir \"$dest/libmy_flow.so\"", code: "library_missing", says: "regular"),
        brings("a pipe in its place", "mkfifo \"$dest/libmy_flow.so\"", code: "library_missing", says: "regular"),
        brings("a text in its place", "echo hello >\"$dest/libmy_flow.so\"", code: "library_corrupt", says: "ELF"),
        brings(
            "for another machine", "cp other \"$dest/libmy_flow.so\"", code: "library_corrupt",
            says: "and this machine is"),
        Failure(
            testDescription: "for another platform than was asked for",
            build: "mkdir \"$dest\"; cp other \"$dest/libmy_flow.so\"; cp crate/Cargo.toml \"$dest/\"; "
                + Failure.result("succeeded", platforms: #"["linux/\#(isARM ? "arm64" : "amd64")"]"#),
            code: "library_corrupt", status: 1, says: "and linux/"),
    ]

    #if arch(arm64)
        private static let isARM = true
    #else
        private static let isARM = false
    #endif

    /// Before the other folders of PATH: the one of the test.
    private let remote = ["PATH": "stand-in:/usr/bin:/bin"]

    private func words(_ name: String, _ folder: CloacinaFolder) throws -> [String] {
        String(decoding: try folder.bytes(name), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func withRemote(
        plan: String = Failure.planned, build: String = Failure.built, _ body: (CloacinaFolder) async throws -> Void
    ) async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try folder.write("remote.json", "{}")
            let (own, other): (UInt16, UInt16) = Self.isARM ? (183, 62) : (62, 183)
            try folder.write("library", MadeLibrary.elf(machine: own, relocations: .plain).bytes)
            try folder.write("other", MadeLibrary.elf(machine: other, relocations: .plain).bytes)
            try FileManager.default.createDirectory(
                atPath: folder.path("stand-in"), withIntermediateDirectories: false)
            try writeScript(
                """
                for word; do case $word in type=local,dest=*) dest=${word#type=local,dest=} ;; esac; done
                case "$*" in *--dry-run*) part=plan ;; *) part=build ;; esac
                printf '%s\\n' "$@" >asked-$part
                cat >dockerfile-$part
                if [ $part = plan ]; then \(plan)
                else \(build)
                fi
                """, to: folder.url.appending(path: "stand-in/lian-build"))
            try await body(folder)
        }
    }
}

extension CloacinaFolder {
    /// PATH begins with a folder of the test's where it is told so.
    fileprivate func run(_ arguments: [String], _ environment: [String: String]) async throws -> CloacinaRun {
        var environment = environment
        environment["PATH"] = environment["PATH"].map { "\(url.path)/\($0)" }
        return try await run(arguments, environment: environment)
    }
}
