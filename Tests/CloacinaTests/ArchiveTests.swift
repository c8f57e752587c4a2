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
                from cloacina_archives import Tar, added, header, member, padded

                def write(name, tar):
                    open(f"hostile/{name}.cloacina", "wb").write(bz2.compress(tar))

                write("large", Tar().file("ok-1/x", os.urandom(8 << 20)).bytes())
                # A library of 64 MB, of which an eighth is noise.
                write("library", Tar().file("ok-1/libx.so", b"\\x7fELF\\2\\1" + os.urandom(8 << 20) + bytes(56 << 20)).bytes())
                # Headers with 600,000 keys, all of one member.
                crowd = []
                for start in range(0, 600_000, 4000):
                    body = b"".join(b"16 key%07d=v\\n" % number for number in range(start, start + 4000))
                    crowd.append(header(b"x", b"x", 0o644, len(body), 0) + padded(body))
                write("pax-crowd", added(*crowd, member(b"ok-1/x")))
                """, [Project.root.appending(path: "Tests/Fixtures").path])
            for name in ["zeros-after-end", "ratio", "declared", "many", "huge-name", "large", "library", "pax-crowd"] {
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

    /// Whatever a file is made of, the time that is given holds.
    @Test func whatComesToNothingCanBeEnded() async throws {
        try await withCloacinaFolder { folder in
            _ = try await folder.python(
                "import bz2; open('empty.cloacina', 'wb').write(bz2.compress(b'') * 4_000_000)")
            try folder.write("key", [UInt8](repeating: 7, count: 32))
            #expect(truncate(folder.path("empty.cloacina"), 1 << 40) == 0)
            for arguments in [["inspect", "empty.cloacina"], ["sign", "empty.cloacina", "--key", "key"]] {
                let run = try await folder.run(["package"] + arguments + ["--timeout", "1"])
                #expect(run.status == 6, "\(run.errors)")
                #expect(run.envelope["status"] == "timed_out")
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
