import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension EndToEnd {
    /// `lian-cloacina package build --remote`: a package's library is made on a runner and comes back. No image of Rust
    /// can be had here. In its place is one with an assembler and a linker, whose `cargo` makes the library of the
    /// crate's assembly.
    @Suite struct RemotePackageTests {
        @Test func theLibraryIsMadeOnARunner() async throws {
            try await withScene { scene in
                let crate = try await self.crate(scene, cargo: Self.assemble)
                let build = try await remote(scene).finished()
                try #require(build.status == 0, "\(build.story)")
                #expect(build.envelope["command"] == "package build" && build.envelope["artifact"] == .null)
                #expect(build.errorText.contains("asked: build --release\n"), "\(build.errorText)")
                let made = try Data(contentsOf: crate.appending(path: "target/release/libmy_flow.so"))
                // Byte for byte what the same tools make of the same source here.
                let here = scene.folder.appending(path: "here")
                try FileManager.default.createDirectory(at: here, withIntermediateDirectories: false)
                try FileManager.default.copyItem(
                    at: crate.appending(path: "src/flow.s"), to: here.appending(path: "flow.s"))
                _ = try await runTool("/usr/bin/as", ["-o", "\(here.path)/flow.o", "\(here.path)/flow.s"])
                _ = try await runTool(
                    "/usr/bin/ld", ["-shared", "-o", "\(here.path)/flow.so", "\(here.path)/flow.o"])
                #expect(try made == Data(contentsOf: here.appending(path: "flow.so")))
                // No image was pushed but the one to compile on.
                #expect(try await scene.pushedDigest() == nil)
            }
        }

        @Test(arguments: [
            ("cargo_failed", "echo 'error: expected item' >&2; exit 101"), ("library_missing", "true"),
        ])
        func whatIsNotMade(code: String, cargo: String) async throws {
            try await withScene { scene in
                let crate = try await self.crate(scene, cargo: cargo)
                let build = try await remote(scene).finished()
                #expect(build.errorCode == code && build.status == 1, "\(build.story)")
                #expect(build.errorText.contains("expected item") == (code == "cargo_failed"))
                #expect(!FileManager.default.fileExists(atPath: crate.appending(path: "target").path))
            }
        }

        /// The scene holds afterwards that there is no runner and no file left.
        @Test func itsRunnerGoesWithIt() async throws {
            try await withScene { scene in
                _ = try await self.crate(scene, cargo: "echo asked; while :; do sleep 1; done")
                let running = try remote(scene)
                try await running.says("asked")
                running.signal(SIGTERM)
                let build = try await running.finished()
                #expect(build.status == 143 && build.errorCode == "cancelled", "\(build.story)")
            }
        }

        private static let assemble = """
            echo "asked: $*"
            as -o /flow.o src/flow.s
            mkdir -p "$CARGO_TARGET_DIR/release"
            ld -shared -o "$CARGO_TARGET_DIR/release/libmy_flow.so" /flow.o
            """

        private func remote(_ scene: Scene) throws -> RunningBuild {
            let command = Command(
                Project.executable("lian-cloacina"),
                ["package", "build", "crate", "--release", "--remote", "directives.json"],
                environment: scene.environment(), workingDirectory: scene.folder.path)
            return try RunningBuild(command, folder: scene.folder) { _ in }
        }

        /// A crate, the image that it is compiled on, and the directives that name both.
        private func crate(_ scene: Scene, cargo: String) async throws -> URL {
            let base = try scene.context("FROM scratch\nCOPY system /\nENV PATH=/bin\n", named: "base")
            let system = URL(filePath: base).appending(path: "system")
            try await bring(["as", "ld"], to: system)
            let programs = system.appending(path: "bin")
            try FileManager.default.copyItem(
                atPath: "/bin/busybox", toPath: programs.appending(path: "busybox").path)
            for name in ["sh", "mkdir", "sleep"] {
                try FileManager.default.createSymbolicLink(
                    atPath: programs.appending(path: name).path, withDestinationPath: "busybox")
            }
            try writeScript("set -e\n\(cargo)", to: programs.appending(path: "cargo"))
            let image = try await scene.build(context: base, image: "rust")
            try #require(image.status == 0, "\(image.story)")

            let crate = scene.folder.appending(path: "crate")
            for (name, text) in [
                "package.toml": "[package]\nname = \"my-flow\"\nversion = \"1\"\n",
                "Cargo.toml": """
                [package]
                name = "my-flow"
                [lib]
                crate-type = ["cdylib", "rlib"]
                [features]
                default = ["packaged"]
                packaged = []

                """,
                "src/lib.rs": "",
                "src/flow.s":
                    ".globl fidius_get_registry\n.type fidius_get_registry,@function\nfidius_get_registry:\nret\n",
            ] {
                let file = crate.appending(path: name)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
            _ = try scene.directives([
                "schema_version": "1", "workspace": .string(scene.workspace),
                "artifacts": [
                    [
                        "name": "my-flow", "context": "crate", "image": .string(scene.image()),
                        "build_args": ["RUST_IMAGE": .string(scene.image("rust"))],
                    ]
                ],
                "compute": ["provider": "local"],
                "registry": ["provider": "generic", "endpoint": .string(scene.registry.host)],
            ])
            return crate
        }

        /// Programs of this machine with the libraries that they are linked to, each at its own place.
        private func bring(_ programs: [String], to system: URL) async throws {
            var files: [(from: String, to: String)] = programs.map { ("/usr/bin/\($0)", "bin/\($0)") }
            for program in programs {
                let linked = try await runTool("/usr/bin/ldd", ["/usr/bin/\(program)"])
                for word in linked.split(whereSeparator: \.isWhitespace) where word.hasPrefix("/") {
                    files.append((String(word), String(word.dropFirst())))
                }
            }
            for file in files {
                let place = system.appending(path: file.to)
                guard !FileManager.default.fileExists(atPath: place.path) else { continue }
                try FileManager.default.createDirectory(
                    at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
                let real = try #require(realPath(file.from))
                try FileManager.default.copyItem(atPath: real, toPath: place.path)
            }
        }
    }
}
