import Foundation
import LianModel
import LianTestSupport
import Testing

/// `package build`, with a cargo that says what it was asked.
@Suite struct BuildTests {
    @Test(arguments: Self.crates) func theCrateIsCheckedFirst(crate: CrateCase) async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try folder.write("crate/Cargo.toml", crate.manifest)
            try writeScript("pwd; echo asked: $*", to: folder.url.appending(path: "cargo"))
            let run = try await folder.run(
                ["package", "build", "crate"] + crate.flags, environment: ["CARGO": folder.path("cargo")])
            #expect(run.code == crate.code, "\(run.errors)")
            #expect(run.warnings == crate.warnings)
            if let asked = crate.asked {
                #expect(run.status == 0)
                #expect(run.errors.contains("asked: \(asked)\n"))
                #expect(run.errors.contains("\(folder.path("crate"))\n"))
            } else {
                #expect(run.status == 2)
                #expect(!run.errors.contains("asked"))
            }
        }
    }

    @Test func howMuchIsSaid() async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try writeScript("echo colors: $CARGO_TERM_COLOR $NO_COLOR.", to: folder.url.appending(path: "cargo"))
            func said(_ flags: [String]) async throws -> String {
                let run = try await folder.run(
                    ["package", "build", "crate"] + flags,
                    environment: ["CARGO": folder.path("cargo"), "CARGO_TERM_COLOR": "always"])
                #expect(run.status == 0, "\(run.errors)")
                return run.errors
            }
            let (short, long) = (try await said([]), try await said(["-v", "--no-color"]))
            #expect(short.contains("colors: always .") && !short.contains("Running"))
            #expect(
                long.contains("Running in crate: \(folder.path("cargo")) build") && long.contains("colors: never 1."))

            let packed = try await folder.run(["package", "pack", "crate", "-v"])
            #expect(packed.errors.contains("Travels: src/lib.rs, "), "\(packed.errors)")
            let quiet = try await folder.run(["package", "pack", "crate", "--dry-run"])
            #expect(!quiet.errors.contains("Travels"))
        }
    }

    @Test func cargosOwnEnd() async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try writeScript("echo error: no >&2; exit 101", to: folder.url.appending(path: "cargo"))
            let failed = try await folder.run(
                ["package", "build", "crate"], environment: ["CARGO": folder.path("cargo")])
            #expect(failed.status == 1)
            #expect(failed.code == "cargo_failed")
            #expect(failed.envelope["error"]?["message"]?.stringValue?.contains("exit 101") == true)
            let missing = try await folder.run(["package", "build", "crate"], environment: ["CARGO": "/nowhere"])
            #expect(missing.status == 4)
            #expect(missing.code == "cargo_missing")
            // All that it started ends with the command.
            try writeScript("sleep 1000 & wait", to: folder.url.appending(path: "cargo"))
            let late = try await folder.run(
                ["package", "build", "crate", "--timeout", "0.5"], environment: ["CARGO": folder.path("cargo")])
            #expect(late.status == 6)
            #expect(late.envelope["status"] == "timed_out")
        }
    }

    @Test func pythonNeedsNone() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            let run = try await folder.run(["package", "build", "etl"], environment: ["CARGO": "/nowhere"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    struct CrateCase: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let manifest: String
        var flags: [String] = []
        var code: String?
        var warnings: [String] = []
        var asked: String?
    }

    private static let library = "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n"
    private static let packaged = "[features]\ndefault = [\"packaged\"]\npackaged = []\n"

    private static let crates = [
        CrateCase(testDescription: "as it should be", manifest: library + packaged, asked: "build"),
        CrateCase(
            testDescription: "optimised", manifest: library + packaged, flags: ["--release"], asked: "build --release"),
        CrateCase(
            testDescription: "not by default", manifest: library + "[features]\npackaged = []\n",
            asked: "build --features packaged"),
        CrateCase(
            testDescription: "without the feature", manifest: library, warnings: ["feature_missing"], asked: "build"),
        CrateCase(
            testDescription: "without rlib", manifest: "[lib]\ncrate-type = [\"cdylib\"]\n" + packaged,
            warnings: ["rlib_missing"], asked: "build"),
        CrateCase(testDescription: "without cdylib", manifest: "[lib]\n" + packaged, code: "crate_type_missing"),
        CrateCase(testDescription: "without [lib]", manifest: packaged, code: "crate_type_missing"),
        CrateCase(
            testDescription: "minimal", manifest: "[package]\nname = \"x\"\n", warnings: ["minimal_crate"],
            asked: "rustc --lib --crate-type cdylib"),
        CrateCase(
            testDescription: "the whole engine", manifest: library + packaged + "[dependencies]\ncloacina = \"0.12\"\n",
            warnings: ["full_crate"], asked: "build"),
        CrateCase(testDescription: "no TOML", manifest: "[lib", code: "cargo_toml_invalid"),
    ]
}
