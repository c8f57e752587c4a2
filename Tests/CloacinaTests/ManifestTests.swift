import Foundation
import LianModel
import LianTestSupport
import Testing

@Suite struct ManifestTests {
    /// The time for it grows with the source, and not with its square.
    @Test func aSourceOfAttributesAlone() async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try folder.write("crate/src/lib.rs", String(repeating: "#[trigger(cron = \"x\")]\n", count: 200_000))
            let run = try await folder.run(["package", "validate", "crate"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    /// Each as `pack` and `validate` tell it: a wrong request of the one, the answer of the other.
    @Test(arguments: Self.faults) func everyFaultHasItsCode(fault: Fault) async throws {
        try await withCloacinaFolder { folder in
            try fault.write(folder)
            let packed = try await folder.run(["package", "pack", "p"])
            #expect(packed.code == fault.code, "\(packed.errors)")
            #expect(packed.status == 2)
            let validated = try await folder.run(["package", "validate", "p"])
            #expect(validated.code == fault.code)
            #expect(validated.status == 1)
        }
    }

    @Test func thePlaceOfASyntaxErrorIsTold() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("p/package.toml", "[package]\nname = \"a\nversion = 1\n")
            let run = try await folder.run(["package", "validate", "p"])
            #expect(run.envelope["error"]?["place"]?["file"] == .string(folder.path("p/package.toml")))
            #expect(run.envelope["error"]?["place"]?["line"] == 2)
        }
    }

    @Test func onlyCronTriggersOfTheCodeCount() async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try folder.write(
                "crate/src/lib.rs",
                """
                // #[trigger(on = "w", cron = "* * * * *", name = "tick")]
                /* #[workflow(triggers = ["a", /* nested */ "poll"])] */
                const TEXT: &str = "#[trigger(cron = \\"x\\", name = \\"tick\\")]";
                #[trigger(name = "poll", every = "5s")]
                fn poll() {}
                #[cloacina_macros::trigger(on = "w", cron = "0 * * * *")]
                pub async fn hourly() {}
                #[workflow(name = "w", triggers = ["poll", "tick"])]
                mod w {}

                """)
            let run = try await folder.run(["package", "validate", "crate"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let code: String
        let name: String
        var manifest = good
        var files = ["workflow/etl/tasks.py": "import cloaca\n"]

        var testDescription: String { "\(code): \(name)" }

        func write(_ folder: CloacinaFolder) throws {
            if !manifest.isEmpty { try folder.write("p/package.toml", manifest) }
            for (name, text) in files { try folder.write("p/\(name)", text) }
        }
    }

    private static let good = "[package]\nname = \"etl\"\nversion = \"1\"\n"
    private static let rust = ["Cargo.toml": "[package]\n", "src/lib.rs": "pub fn x() {}\n"]

    private static func named(_ name: String, version: String = "1") -> String {
        "[package]\nname = \"\(name)\"\nversion = \"\(version)\"\n"
    }

    private static let faults: [Fault] = [
        Fault(code: "manifest_invalid", name: "syntax", manifest: "[package\n"),
        Fault(code: "manifest_invalid", name: "no table", manifest: "package = 1\n"),
        Fault(code: "manifest_invalid", name: "no name", manifest: "[package]\nversion = \"1\"\n"),
        Fault(code: "manifest_invalid", name: "name is a number", manifest: "[package]\nname = 1\nversion = \"1\"\n"),
        Fault(code: "manifest_invalid", name: "interface version", manifest: good + "interface_version = 4294967296\n"),
        Fault(code: "manifest_invalid", name: "negative version", manifest: good + "interface_version = -1\n"),
        Fault(code: "manifest_invalid", name: "extension", manifest: good + "extension = \"../x\"\n"),
        Fault(code: "manifest_invalid", name: "no UTF-8", manifest: good + "# \u{0}\n"),
        Fault(code: "name_invalid", name: "leads out", manifest: named("../x")),
        Fault(code: "name_invalid", name: "begins with a dot", manifest: named(".x")),
        Fault(code: "name_invalid", name: "empty", manifest: named("")),
        Fault(code: "name_invalid", name: "long", manifest: named(String(repeating: "n", count: 129))),
        Fault(code: "name_invalid", name: "letters of others", manifest: named("café")),
        Fault(code: "version_invalid", name: "slash", manifest: named("etl", version: "1/2")),
        Fault(
            code: "version_invalid", name: "long", manifest: named("etl", version: String(repeating: "1", count: 65))),
        Fault(code: "runtime_unknown", name: "java", manifest: good + "runtime = \"java\"\n"),
        Fault(code: "runtime_mismatch", name: "no table", manifest: good + "runtime = \"python\"\n"),
        Fault(code: "runtime_mismatch", name: "table alone", manifest: good + "[python]\n"),
        Fault(code: "runtime_mismatch", name: "wasm", manifest: good + "runtime = \"rust\"\n[wasm]\n"),
        Fault(code: "metadata_unknown_key", name: "package_type", manifest: good + "[metadata]\npackage_type = []\n"),
        Fault(code: "metadata_unknown_key", name: "triggers", manifest: good + "[[metadata.triggers]]\nname = \"x\"\n"),
        Fault(
            code: "language_ambiguous", name: "both", files: rust.merging(["workflow/etl/tasks.py": ""]) { $1 }),
        Fault(code: "language_unknown", name: "neither", files: ["x": ""]),
        Fault(code: "language_unknown", name: "wasm", manifest: good + "[metadata]\nlanguage = \"wasm\"\n"),
        Fault(code: "language_unknown", name: "java", manifest: good + "[metadata]\nlanguage = \"java\"\n"),
        Fault(code: "layout_invalid", name: "no crate", manifest: good + "[metadata]\nlanguage = \"rust\"\n"),
        Fault(
            code: "layout_invalid", name: "no workflow folder", manifest: good + "[metadata]\nlanguage = \"python\"\n",
            files: rust),
        Fault(code: "entry_module_missing", name: "another", files: ["workflow/other/tasks.py": ""]),
        Fault(
            code: "entry_module_missing", name: "a path", manifest: good + "[metadata]\nentry_module = \"../etl\"\n"),
        Fault(
            code: "stdlib_shadowed", name: "folder",
            files: ["workflow/etl/tasks.py": "", "workflow/json/__init__.py": ""]),
        Fault(code: "stdlib_shadowed", name: "file", files: ["workflow/etl/tasks.py": "", "vendor/os.py": ""]),
        Fault(
            code: "cargo_placeholder", name: "path",
            files: rust.merging(["Cargo.toml": "[dependencies]\nx = { path = \"__WORKSPACE__/x\" }\n"]) { $1 }),
        Fault(
            code: "graph_name_missing", name: "Rust",
            files: rust.merging(["src/lib.rs": "#[computation_graph(trigger = x)]\n"]) { $1 }),
        Fault(
            code: "graph_name_missing", name: "Python",
            files: ["workflow/etl/tasks.py": "@cloaca.reactor\ndef x(): ...\n"]),
        Fault(
            code: "cron_trigger_subscribed", name: "by its function",
            files: rust.merging([
                "src/lib.rs":
                    "#[trigger(on = \"w\", cron = \"0 * * * *\")]\nfn hourly() {}\n#[workflow(triggers = [\"hourly\"])]\nmod w {}\n"
            ]) { $1 }),
    ]
}
