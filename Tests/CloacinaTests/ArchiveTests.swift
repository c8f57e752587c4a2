import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Archives that Python has made, bad ones above all.
@Suite struct ArchiveTests {
    @Test func everyFaultHasItsCodeAndLeavesNothing() async throws {
        try await withCloacinaFolder { folder in
            let cases = try await archives(in: folder)
            #expect(cases.count > 60)
            let runs = try await concurrently(cases.keys.sorted()) { _, name in
                let inspected = try await folder.run(["package", "inspect", "hostile/\(name).cloacina"])
                let goal = "goal-\(name)"
                try FileManager.default.createDirectory(
                    atPath: folder.path(goal), withIntermediateDirectories: false)
                let unpacked = try await folder.run(
                    ["package", "unpack", "hostile/\(name).cloacina", "--out", goal])
                let left = try FileManager.default.contentsOfDirectory(atPath: folder.path(goal))
                return (name: name, inspected: inspected, unpacked: unpacked, left: left)
            }
            for run in runs {
                let code = cases[run.name]?.stringValue
                #expect(run.inspected.code == code, "\(run.name): \(run.inspected.errors)")
                #expect(run.inspected.status == (code == nil ? 0 : 1), "\(run.name)")
                #expect(run.unpacked.code == code, "\(run.name): \(run.unpacked.errors)")
                #expect(run.left == (code == nil ? ["ok-1"] : []), "\(run.name)")
                let accepted = run.inspected.envelope["inspection"]?["hosts"]?["accepted"]
                #expect(accepted == .bool(code == nil), "\(run.name)")
                let warnsOfTrailing = run.inspected.warnings.contains("trailing_bytes")
                #expect(warnsOfTrailing == run.name.hasPrefix("trailing"), "\(run.name)")
            }
            let temporary = try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp"))
            #expect(temporary == [])
        }
    }

    /// A bomb costs no more than what is allowed; what is within the limits is not held.
    @Test func memoryIsBounded() async throws {
        try await withCloacinaFolder { folder in
            _ = try await archives(in: folder)
            _ = try await folder.python(
                """
                import bz2, os, sys
                sys.path.insert(0, sys.argv[1])
                sys.dont_write_bytecode = True
                from cloacina_archives import Tar
                open("hostile/large.cloacina", "wb").write(bz2.compress(Tar().file("ok-1/x", os.urandom(8 << 20)).bytes()))
                """, [Project.root.appending(path: "Tests/Fixtures").path])
            for name in ["zeros-after-end", "ratio", "declared", "many", "huge-name", "large"] {
                let text = try await folder.python(
                    """
                    import resource, subprocess, sys
                    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
                    """, [Project.executable("lian-cloacina"), "package", "inspect", "hostile/\(name).cloacina"])
                let kilobytes = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
                #expect(kilobytes < 60_000, "\(name)")
            }
        }
    }

    @Test func whatWasReadOfABadArchiveIsTold() async throws {
        try await withCloacinaFolder { folder in
            _ = try await archives(in: folder)
            let run = try await folder.run(["package", "inspect", "hostile/symlink.cloacina"])
            let entries = run.envelope["inspection"]?["entries"]?.arrayValue ?? []
            #expect(entries.map { $0["path"] } == ["ok-1/package.toml", "ok-1/workflow/ok/tasks.py"])
            #expect(entries[0]["sha256"]?.stringValue?.count == 64)
        }
    }

    @Test func unpackedIsWhatWasPacked() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            try folder.write("etl/run.sh", "#!/bin/sh\n")
            chmod(folder.path("etl/run.sh"), 0o700)
            #expect(try await folder.run(["package", "pack", "etl"]).status == 0)
            let run = try await folder.run(["package", "unpack", "etl-0.1.0.cloacina"])
            #expect(run.status == 0, "\(run.errors)")
            for name in ["package.toml", "workflow/etl/tasks.py", "run.sh"] {
                #expect(try folder.bytes("etl-0.1.0/\(name)") == folder.bytes("etl/\(name)"))
            }
            #expect(access(folder.path("etl-0.1.0/run.sh"), X_OK) == 0)
            let again = try await folder.run(["package", "unpack", "etl-0.1.0.cloacina"])
            #expect(again.status == 2)
            #expect(again.code == "file_exists")
        }
    }

    /// Each by its name, with the code that it has to get.
    private func archives(in folder: CloacinaFolder) async throws -> [String: JSONValue] {
        try FileManager.default.createDirectory(atPath: folder.path("hostile"), withIntermediateDirectories: true)
        let script = Project.root.appending(path: "Tests/Fixtures/cloacina_archives.py").path
        let text = try await folder.python(
            "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')",
            [script, "hostile", "hostile"])
        return try #require(try JSONValue.parse(text).objectValue)
    }
}

let pythonManifest = """
    [package]
    name = "etl"
    version = "0.1.0"
    interface = "cloacina-workflow-plugin"
    interface_version = 1
    extension = "cloacina"

    [metadata]
    workflow_name = "etl"
    language = "python"
    entry_module = "etl.tasks"

    """
