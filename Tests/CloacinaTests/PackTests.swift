import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct PackTests {
    /// Python's own tar, bzip2 and SHA-256 make the same of the same files, byte for byte.
    @Test(arguments: ["", "1700000000"]) func theBytesAreThoseOfTheContract(epoch: String) async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try folder.write("etl/workflow/etl/__init__.py", "")
            try folder.write("etl/workflow/\(String(repeating: "d", count: 90))/ü€.py", "x = 1\n")
            try folder.write("etl/README.md", "# hello\n")
            try folder.write("etl/old.sig", "travels, and is not in the digest")
            // More than two blocks of bzip2, with runs across their borders; none of it repeats itself by far.
            var random = SeededGenerator(seed: 7)
            var bytes = (0..<1_300_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            for _ in 0..<300 {
                let start = Int.random(in: 0..<1_200_000, using: &random)
                let count = Int.random(in: 1..<700, using: &random)
                bytes.replaceSubrange(start..<start + count, with: repeatElement(bytes[start], count: count))
            }
            try folder.write("etl/data.bin", bytes)
            try folder.write("etl/run.sh", "#!/bin/sh\n")
            chmod(folder.path("etl/run.sh"), 0o755)
            let run = try await folder.run(["package", "pack", "etl"], environment: ["SOURCE_DATE_EPOCH": epoch])
            #expect(run.status == 0, "\(run.errors)")
            let digest = try await oracle(folder, ["pack", "etl", "etl-0.1.0", epoch.isEmpty ? "0" : epoch, "oracle"])
            #expect(try folder.bytes("etl-0.1.0.cloacina") == folder.bytes("oracle"))
            #expect(run.envelope["artifact"]?["digest"] == .string(digest))
            #expect(run.envelope["artifact"]?["entries"] == 8)
            #expect(run.envelope["package"]?["resolved"] == [])
        }
    }

    @Test func whatIsLeftOutIsAddedToTheArchiveAlone() async throws {
        try await withCloacinaFolder { folder in
            let written = "# mine\n[package]\nname = \"my-etl\"\nversion = \"1\"\nextension = \"pkg\"\n"
            try folder.write("etl/package.toml", written)
            try folder.write("etl/workflow/my_etl/tasks.py", "import cloaca\n")
            let run = try await folder.run(["package", "pack", "etl", "-o", "id"])
            #expect(run.output == "my-etl-1.pkg\n")
            #expect(try folder.bytes("etl/package.toml") == Array(written.utf8))
            let travels = try await folder.python(
                "import tarfile; print(tarfile.open('my-etl-1.pkg').extractfile('my-etl-1/package.toml').read().decode())"
            )
            #expect(
                travels.hasPrefix(
                    """
                    [package]
                    name = "my-etl"
                    version = "1"
                    extension = "pkg"
                    interface = "cloacina-workflow-plugin"
                    interface_version = 1

                    [metadata]
                    language = "python"
                    entry_module = "my_etl.tasks"

                    """))
        }
    }

    @Test func whatTravels() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            for name in [
                "target/x", ".git/config", "a/node_modules/x", "workflow/__pycache__/x.pyc", "old.cloacina",
                "old.cloacina.sig",
            ] { try folder.write("etl/\(name)", "x") }
            for name in [".env", "a/server.pem", "id_ed25519"] { try folder.write("etl/\(name)", "x") }
            try FileManager.default.createSymbolicLink(
                atPath: folder.path("etl/link.py"), withDestinationPath: "workflow/etl/tasks.py")
            let run = try await folder.run(["package", "pack", "etl", "--dry-run", "--out", "etl/out.bin"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.envelope["status"] == "planned")
            let paths = (run.envelope["plan"]?["entries"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
            #expect(
                paths == [".env", "a/server.pem", "id_ed25519", "link.py", "package.toml", "workflow/etl/tasks.py"])
            #expect(run.warnings == ["secret_like_file", "secret_like_file", "secret_like_file"])
            #expect(!FileManager.default.fileExists(atPath: folder.path("etl/out.bin")))
            // Its own output does not travel, wherever it is.
            for _ in 0..<2 {
                let packed = try await folder.run(["package", "pack", "etl", "--out", "etl/out.bin"])
                #expect(packed.envelope["artifact"]?["entries"] == 6)
            }
        }
    }

    @Test(arguments: [
        ("symlink_outside", "ln -s /etc/hostname etl/x"), ("symlink_directory", "ln -s workflow etl/x"),
        ("symlink_broken", "ln -s nowhere etl/x"), ("special_file", "mkfifo etl/x"),
        ("path_not_utf8", "touch \"etl/$(printf '\\377')\""),
    ])
    func whatCannotTravel(code: String, command: String) async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try await folder.shell(command)
            let run = try await folder.run(["package", "pack", "etl"])
            #expect(run.status == 2)
            #expect(run.code == code)
            #expect(!FileManager.default.fileExists(atPath: folder.path("etl-0.1.0.cloacina")))
        }
    }

    @Test func anArchiveThatHostsWouldRefuseIsNotLeft() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try folder.write("etl/zeros", [UInt8](repeating: 0, count: 1 << 20))
            try folder.write("etl-0.1.0.cloacina", "an old one")
            let refused = try await folder.run(["package", "pack", "etl"])
            #expect(refused.status == 1)
            #expect(refused.code == "archive_over_limit")
            #expect(try folder.bytes("etl-0.1.0.cloacina") == Array("an old one".utf8))
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
            #expect(names.sorted() == ["etl", "etl-0.1.0.cloacina", "tmp"])
            let allowed = try await folder.run(["package", "pack", "etl", "--allow-over-limits"])
            #expect(allowed.status == 0)
            #expect(allowed.warnings == ["archive_over_limit"])
        }
    }

    /// What pack finds too much is what a reader of the same archive finds too much.
    @Test(arguments: [
        ("archive_too_large", "head -c 1000000 /dev/zero >etl/zeros"),
        ("archive_too_many_entries", "seq -f etl/%.0f 10000 | xargs touch"),
        ("archive_too_large", "deep=etl/$(yes d | head -n 70 | paste -sd /); mkdir -p $deep; touch $deep/x"),
    ])
    func itsLimitsAreTheReaders(code: String, command: String) async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try await folder.shell(command)
            let refused = try await folder.run(["package", "pack", "etl"])
            #expect(refused.code == "archive_over_limit" && refused.status == 1, "\(refused.errors)")
            let allowed = try await folder.run(["package", "pack", "etl", "--allow-over-limits"])
            #expect(allowed.status == 0, "\(allowed.errors)")
            let read = try await folder.run(["package", "validate", "etl-0.1.0.cloacina"])
            #expect(read.code == code && read.status == 1, "\(read.errors)")
            // In the same words, but for the name of the archive.
            let said = refused.envelope["error"]?["message"]?.stringValue ?? ""
            let theirs = read.envelope["error"]?["message"]?.stringValue ?? ""
            #expect(said.split(separator: "cloacina").last == theirs.split(separator: "cloacina").last)
        }
    }

    @Test(arguments: [
        ("invalid_argument", ["pack", "etl", "--out", "."]), ("invalid_argument", ["pack", "etl", "--out", "no/x"]),
        ("not_a_folder", ["pack", "nowhere"]), ("manifest_missing", ["pack", "tmp"]),
        ("key_invalid", ["pack", "etl", "--sign", "nowhere"]), ("file_unreadable", ["validate", "nowhere"]),
        ("file_unreadable", ["inspect", "nowhere", "--offline"]),
        ("library_missing", ["pack", "crate", "--layout", "cdylib"]),
    ])
    func aWrongRequestIsExitTwo(code: String, arguments: [String]) async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try writeCrate(folder)
            let run = try await folder.run(["package"] + arguments)
            #expect(run.status == 2)
            #expect(run.code == code, "\(run.errors)")
        }
    }

    @Test func theLibraryInPlaceOfSources() async throws {
        try await withCloacinaFolder { folder in
            try writeCrate(folder)
            try folder.write("crate/target/debug/libmy_flow.so", "library")
            let run = try await folder.run(["package", "pack", "crate", "--layout", "cdylib"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.warnings == ["not_for_hosts"])
            let inspected = try await folder.run(["package", "inspect", "my-flow-1.cloacina"])
            let entries = inspected.envelope["inspection"]?["entries"]?.arrayValue ?? []
            #expect(entries.map { $0["path"] } == ["libmy_flow.so", "package.toml"])
            #expect(inspected.envelope["inspection"]?["format"] == "cdylib")
            #expect(inspected.envelope["inspection"]?["hosts"] == ["accepted": false, "reasons": ["not_for_hosts"]])
            // What it carries is no library, and is told so.
            #expect(inspected.status == 1 && inspected.code == "library_corrupt")
        }
    }

    private func oracle(_ folder: CloacinaFolder, _ arguments: [String]) async throws -> String {
        let script = Project.root.appending(path: "Tests/Fixtures/cloacina_archives.py").path
        return try await folder.python(
            "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')",
            [script] + arguments
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

func writeCrate(_ folder: CloacinaFolder) throws {
    try folder.write("crate/package.toml", "[package]\nname = \"my-flow\"\nversion = \"1\"\n")
    try folder.write(
        "crate/Cargo.toml",
        """
        [package]
        name = "my-flow"
        version = "1.0.0"
        edition = "2021"

        [lib]
        crate-type = ["cdylib", "rlib"]

        [features]
        default = ["packaged"]
        packaged = []

        """)
    try folder.write("crate/src/lib.rs", "pub fn hello() {}\n")
}
