import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct PythonBuildTests {
    @Test(.needsPip) func theBytesOfVersion2AreThoseOfTheContract() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(dependencies: ["alpha"], description: "Größe \"quoted\" \\ 😀")
            try folder.write("flow/tasks/deep/x.py", "x = 1\n")
            try folder.write("flow/tasks.py", "shadowed by nothing\n")
            try folder.write("flow/target/travels.py", "")
            try folder.write("flow/__pycache__/a.pyc", "")
            try folder.write("flow/b.pyc", "")
            try folder.write("flow/run.sh", "#!/bin/sh\n")
            chmod(folder.path("flow/run.sh"), 0o755)
            try await folder.offerWheels()
            let epoch = ["SOURCE_DATE_EPOCH": "1700000000"]
            let run = try await folder.build(["--target", "linux-x86_64", "--target", "linux-arm64"], epoch)
            try #require(run.status == 0, "\(run.errors)")
            #expect(run.warnings == ["legacy_format"])
            let first = try folder.bytes("my-flow-1.0.cloacina")
            let unpacked = try await folder.run(["package", "unpack", "my-flow-1.0.cloacina"])
            try #require(unpacked.status == 0, "\(unpacked.errors)")
            let script = try String(
                contentsOf: Project.root.appending(path: "Tests/Fixtures/legacy_package.py"), encoding: .utf8)
            let fingerprint = try await folder.python(
                script, ["my-flow-1.0.cloacina", "my-flow-1.0", "flow.jobs", "1700000000"])
            #expect(run.envelope["artifact"]?["fingerprint"] == .string(fingerprint))
            #expect(run.errors.contains("Fingerprint: \(fingerprint)\n"))
            #expect(run.errors.contains("Found 2 task(s): fetch, store\n"))
            let manifest = try JSONValue.parse(folder.bytes("my-flow-1.0/manifest.json"))
            #expect(manifest["created_at"] == "2023-11-14T22:13:20Z")
            #expect(manifest["package"]?["targets"] == ["linux-x86_64", "linux-arm64"])
            #expect(manifest["package"]?["description"] == "Größe \"quoted\" \\ 😀")
            #expect(
                manifest["tasks"]?[1]
                    == [
                        "id": "store", "function": "flow.jobs:store", "dependencies": ["fetch"], "description": .null,
                        "retries": 3, "timeout_seconds": 60,
                    ])
            #expect(try folder.bytes("my-flow-1.0/vendor/alpha.py") == Array("a = 1\n".utf8))
            #expect(
                try String(decoding: folder.bytes("my-flow-1.0/vendor/VENDORED.txt"), as: UTF8.self) == "alpha==1.0\n")
            _ = try await folder.build(["--target", "linux-x86_64", "--target", "linux-arm64"], epoch)
            #expect(try folder.bytes("my-flow-1.0.cloacina") == first)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp")) == [])
        }
    }

    @Test(.needsPip) func whatHostsTakeIsMadeOfTheSameProject() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(dependencies: ["alpha"], description: "Orders")
            try await folder.offerWheels()
            let run = try await folder.build(["--format", "source", "-o", "made/here"])
            try #require(run.status == 0, "\(run.errors)")
            #expect(run.warnings == [])
            #expect(run.envelope["artifact"]?["path"] == "made/here/my-flow-1.0.cloacina")
            let archive = "made/here/my-flow-1.0.cloacina"
            #expect(try await folder.run(["package", "validate", archive]).status == 0)
            let inspected = try await folder.run(["package", "inspect", archive])
            #expect(inspected.envelope["inspection"]?["hosts"] == ["accepted": true, "reasons": []])
            let paths = (inspected.envelope["inspection"]?["entries"]?.arrayValue ?? []).compactMap {
                $0["path"]?.stringValue
            }
            #expect(
                paths == [
                    "package.toml", "requirements.lock", "vendor/VENDORED.txt", "vendor/alpha-1.0.dist-info/METADATA",
                    "vendor/alpha-1.0.dist-info/RECORD", "vendor/alpha-1.0.dist-info/WHEEL", "vendor/alpha.py",
                    "workflow/flow/__init__.py", "workflow/flow/jobs.py",
                ])
            #expect(
                inspected.envelope["inspection"]?["manifest"] == [
                    "package": [
                        "name": "my-flow", "version": "1.0", "interface": "cloacina-workflow-plugin",
                        "interface_version": 1, "extension": "cloacina",
                    ],
                    "metadata": [
                        "workflow_name": "my_flow", "language": "python", "description": "Orders", "author": "Ada",
                        "requires_python": ">=3.10", "entry_module": "flow.jobs",
                    ],
                ])
        }
    }

    @Test func aDryRunPlansAndWritesNothing() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(dependencies: ["no-such-package>=2"])
            let before = try folder.names()
            let run = try await folder.build(["--dry-run", "-o", "dist"])
            #expect(run.status == 0)
            #expect(run.envelope["status"] == "planned")
            #expect(run.envelope["plan"]?["dependencies"] == ["no-such-package>=2"])
            #expect(run.envelope["plan"]?["path"] == "dist/my-flow-1.0.cloacina")
            #expect(
                run.envelope["plan"]?["entries"]
                    == ["manifest.json", "workflow/flow/__init__.py", "workflow/flow/jobs.py", "requirements.lock"])
            #expect(run.envelope["package"]?["tasks"] == ["fetch", "store"])
            #expect(try folder.names() == before)
        }
    }

    /// Python takes modules from the folder that it is started in, and from PYTHONPATH.
    @Test(.needsPip) func nothingOfTheProjectRuns() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(dependencies: ["alpha"])
            try await folder.offerWheels()
            let trap = "open('\(folder.path("was-run"))', 'w')\n"
            for module in [
                "pip", "json", "ast", "sitecustomize", "usercustomize", "cloaca", "encodings", "flow/__init__",
            ] {
                try folder.write("\(module).py", trap)
            }
            try folder.write("setup.py", trap)
            let run = try await folder.build(
                [], ["PYTHONPATH": folder.url.path, "PYTHONSTARTUP": folder.path("setup.py")])
            #expect(run.status == 0, "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.path("was-run")))
        }
    }

    @Test func aFileInTheEntrysPlaceTravelsAlone() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(module: "jobs")
            try FileManager.default.moveItem(
                atPath: folder.path("flow/jobs.py"), toPath: folder.path("src-file.py"))
            try folder.write("src/jobs.py", folder.bytes("src-file.py"))
            let run = try await folder.build(["--dry-run"])
            #expect(run.envelope["plan"]?["entries"] == ["manifest.json", "workflow/jobs.py", "requirements.lock"])
        }
    }

    @Test(
        .needsPip,
        arguments: [
            ("no pyproject", "pyproject_missing", 2), ("bad toml", "pyproject_invalid", 2),
            ("no entry", "entry_module_missing", 2), ("target", "target_unsupported", 2), ("async", "async_task", 2),
            ("link", "symlink_outside", 2), ("project", "not_a_folder", 2), ("out", "invalid_argument", 2),
            ("url", "dependency_unsupported", 2), ("gone", "dependency_unresolved", 1), ("python", "python_missing", 4),
            ("version", "invalid_argument", 2), ("big", "archive_over_limit", 1),
        ])
    func failuresLeaveTheOldArchiveAndNothingElse(fault: String, code: String, status: Int32) async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(
                dependencies: fault == "gone" ? ["no-such-package"] : fault == "url" ? ["a @ file:///a"] : [])
            try folder.write("my-flow-1.0.cloacina", "old")
            var arguments: [String] = []
            switch fault {
            case "no pyproject": try FileManager.default.removeItem(atPath: folder.path("pyproject.toml"))
            case "bad toml": try folder.write("pyproject.toml", "[project]\nname = my-flow\n")
            case "no entry": try FileManager.default.removeItem(atPath: folder.path("flow/jobs.py"))
            case "target": arguments = ["--target", "windows", "--target", "linux-x86_64", "--target", "beos"]
            case "async": try folder.write("flow/jobs.py", "@task()\nasync def a(c): pass\n")
            case "link":
                try FileManager.default.createSymbolicLink(
                    atPath: folder.path("flow/data"), withDestinationPath: "/etc/passwd")
            case "project": arguments = ["--project", "nowhere"]
            case "out": arguments = ["-o", "pyproject.toml"]
            case "python": arguments = ["--python", "./no-such-python"]
            case "version": arguments = ["--python-version", "3"]
            case "big": try folder.write("flow/zeros.bin", [UInt8](repeating: 0, count: 2 << 20))
            default: break
            }
            let before = try folder.names()
            let run = try await folder.build(arguments)
            #expect(run.code == code, "\(run.errors)")
            #expect(run.status == status)
            #expect(try folder.names() == before)
            #expect(try folder.bytes("my-flow-1.0.cloacina") == Array("old".utf8))
            if fault == "target" {
                #expect(run.envelope["error"]?["message"] == "no such target: windows, beos")
            }
            if fault == "bad toml" || fault == "async" {
                #expect(run.envelope["error"]?["place"]?["line"] == 2)
            }
        }
    }

    @Test(.needsPip) func aSignalEndsPipToo() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject(dependencies: ["alpha"])
            try await folder.offerWheels()
            let python = try #require(folder.toolVariables["CLOACA_PYTHON"])
            try writeScript(
                """
                case " $* " in *' -m pip '*)
                  echo $$ > '\(folder.path("pid.part"))' && mv '\(folder.path("pid.part"))' '\(folder.path("pid"))'
                  exec sleep 100000 ;;
                esac
                exec '\(python)' "$@"
                """, to: folder.url.appending(path: "python"))
            let program = try RunningProcess(
                Command(
                    Project.executable("lian-cloacina"), ["build", "--python", "./python"],
                    environment: folder.environment.merging(folder.toolVariables) { $1 },
                    workingDirectory: folder.url.path),
                outputFile: folder.url.appending(path: "out"), errorFile: folder.url.appending(path: "err"))
            defer { program.stop() }
            #expect(await eventually { FileManager.default.fileExists(atPath: folder.path("pid")) })
            let pid = try #require(Int32(String(decoding: folder.bytes("pid"), as: UTF8.self).dropLast()))
            #expect(try !FileManager.default.contentsOfDirectory(atPath: folder.path("tmp")).isEmpty)
            kill(program.pid, SIGTERM)
            #expect(await program.ended() == .exited(143))
            #expect(hasEnded(pid))
            let envelope = try JSONValue.parse(program.output)
            #expect(envelope["status"] == "cancelled")
            #expect(envelope["error"]?["code"] == "cancelled")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp")) == [])
            #expect(!FileManager.default.fileExists(atPath: folder.path("my-flow-1.0.cloacina")))
        }
    }

    @Test func aToolThatHangsIsEndedWithTheCommand() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject()
            try writeScript(
                "echo $$ > '\(folder.path("pid"))'; exec sleep 100000", to: folder.url.appending(path: "python"))
            let run = try await folder.build(["--python", "./python", "--timeout", "1"])
            #expect(run.status == 6)
            #expect(run.code == "timed_out")
            let pid = try #require(Int32(String(decoding: folder.bytes("pid"), as: UTF8.self).dropLast()))
            #expect(hasEnded(pid) || commandLine(of: pid) != "sleep 100000 ")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp")) == [])
        }
    }

    @Test func anotherFileInTheArchiveIsFoundOut() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject()
            let built = try await folder.build(
                ["--sign", "env:KEY"], ["KEY": Data(repeating: 7, count: 32).base64EncodedString()])
            #expect(built.status == 0, "\(built.errors)")
            #expect(built.envelope["signatures"]?[0]?["path"] == "my-flow-1.0.cloacina.sig")
            #expect(try await folder.run(["package", "inspect", "my-flow-1.0.cloacina"]).status == 0)
            _ = try await folder.python(
                """
                import io, tarfile
                source = tarfile.open('my-flow-1.0.cloacina')
                with tarfile.open('other.cloacina', 'w:gz', format=tarfile.GNU_FORMAT) as made:
                    for member in source:
                        data = source.extractfile(member).read() if member.isfile() else b''
                        if member.name == 'workflow/flow/jobs.py':
                            data = data.replace(b'fetch', b'steal')
                        member.size = len(data)
                        made.addfile(member, io.BytesIO(data))
                """)
            for command in [["inspect", "other.cloacina"], ["verify", "other.cloacina", "--key", "env:PUB"]] {
                let run = try await folder.run(
                    ["package"] + command, environment: ["PUB": Data(repeating: 1, count: 32).base64EncodedString()])
                #expect(run.code == "fingerprint_mismatch")
                #expect(run.status == 1)
            }
        }
    }

    @Test func inspectTellsTheTasks() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject()
            let built = try await folder.build(["--format", "source"])
            #expect(built.status == 0, "\(built.errors)")
            let inspected = try await folder.run(["package", "inspect", "my-flow-1.0.cloacina"])
            let tasks = inspected.envelope["inspection"]?["tasks"]?.arrayValue ?? []
            #expect(tasks.map { $0["id"] } == ["fetch", "store"])
            #expect(inspected.envelope["package"]?["tasks"] == ["fetch", "store"])
            #expect(inspected.warnings == [])
            let without = try await folder.run(
                ["package", "inspect", "my-flow-1.0.cloacina"], environment: ["CLOACA_PYTHON": "no-such-python"])
            #expect(without.status == 0)
            #expect(without.envelope["inspection"]?["tasks"] == .null)
            #expect(without.warnings == ["tasks_unknown"])
        }
    }

    @Test func itIsCloacaUnderThatName() async throws {
        try await withCloacinaFolder { folder in
            try folder.writeProject()
            let link = folder.path("cloaca")
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: Project.executable("lian-cloacina"))
            let run = try await folder.run(link, ["build", "-o", "dist/"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(FileManager.default.fileExists(atPath: folder.path("dist/my-flow-1.0.cloacina")))
        }
    }
}

extension CloacinaFolder {
    fileprivate func writeProject(
        dependencies: [String] = [], description: String = "d", module: String = "flow.jobs"
    ) throws {
        try write(
            "pyproject.toml",
            """
            [project]
            name = "my-flow"
            version = "1.0"
            description = \(JSONValue.string(description).encoded())
            authors = [{name = "Ada"}]
            dependencies = \(dependencies.json.encoded())
            [tool.cloaca]
            entry_module = "\(module)"
            """)
        try write("flow/__init__.py", "")
        try write(
            "flow/jobs.py",
            """
            import cloaca
            @cloaca.task(id="fetch")
            def fetch_orders(context): pass
            @cloaca.task(dependencies=[fetch_orders], retries=3, timeout_seconds=60)
            def store(context): pass

            """)
    }

    fileprivate func offerWheels() async throws {
        try await Wheels.make(
            [.init("alpha-1.0-py3-none-any.whl", [.init("alpha.py", "a = 1\n")], needs: [])],
            in: url.appending(path: "wheels"))
    }

    /// For tools that find the wheels of this folder, and no others.
    fileprivate var toolVariables: [String: String] {
        let python = findExecutable("python3", path: ProcessInfo.processInfo.environment["PATH"])
        return [
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels", "PIP_NO_CACHE_DIR": "1", "UV_OFFLINE": "1",
            "UV_FIND_LINKS": "wheels", "UV_NO_CACHE": "1", "CLOACA_PYTHON": python ?? "python3",
            "PATH": "\(Project.tools.path):/usr/bin:/bin",
        ]
    }

    fileprivate func build(_ arguments: [String], _ extra: [String: String] = [:]) async throws -> CloacinaRun {
        try await run(["build"] + arguments, environment: toolVariables.merging(extra) { $1 })
    }

    /// Everything here by name, without what is temporary.
    fileprivate func names() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted()
    }
}
