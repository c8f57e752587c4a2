import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianCloacina

@Suite struct VendoringTests {
    init() {
        ignoreBrokenPipes()
    }

    @Test(.needsPip) func bringsDependenciesAndWhatTheyNeed() async throws {
        try await withScene { scene in
            try await scene.offer([
                .init(
                    "Alpha-1.0-py3-none-any.whl",
                    [
                        .init("alpha/__init__.py", "import beta\n"), .init("Alpha-1.0.data/scripts/tool", "#!python\n"),
                        .init("Alpha-1.0.data/purelib/pure.py", "p = 1\n"),
                        .init("Alpha-1.0.data/platlib/deep/plat.py", "q = 1\n"),
                        .init("Alpha-1.0.data/headers/a.h", "\n"), .init("alpha/run", "#!/bin/sh\n", mode: 0o100755),
                    ], needs: ["beta_two>=2"]),
                .init("beta_two-2.1-py3-none-any.whl", [.init("beta.py", "y = 1\n")], needs: []),
                .init("beta_two-1.0-py3-none-any.whl", [.init("beta.py", "y = 0\n")], needs: []),
            ])
            let packages = try await scene.vendor(["alpha >= 1", "beta-two"])
            #expect(
                try scene.tree() == [
                    "Alpha-1.0.dist-info/METADATA", "Alpha-1.0.dist-info/RECORD", "Alpha-1.0.dist-info/WHEEL",
                    "VENDORED.txt", "alpha/__init__.py", "alpha/run", "beta.py", "beta_two-2.1.dist-info/METADATA",
                    "beta_two-2.1.dist-info/RECORD", "beta_two-2.1.dist-info/WHEEL", "deep/plat.py", "pure.py",
                ])
            #expect(try scene.text("VENDORED.txt") == "alpha==1.0\nbeta-two==2.1\n")
            #expect(try scene.text("beta.py") == "y = 1\n")
            #expect(access("\(scene.vendored)/alpha/run", X_OK) == 0)
            let hashes = try ["Alpha-1.0", "beta_two-2.1"].map { try scene.hash("\($0)-py3-none-any.whl") }
            #expect(
                packages.lock == """
                    # requirements.lock for linux-x86_64
                    alpha==1.0 \\
                        --hash=sha256:\(hashes[0])
                    beta-two==2.1 \\
                        --hash=sha256:\(hashes[1])

                    """)
        }
    }

    @Test(.needsPip) func severalTargetsShareOneFolder() async throws {
        try await withScene { scene in
            let common = Wheels.Entry("fast/__init__.py", "import fast._speedups\n")
            try await scene.offer(
                ["x86_64", "aarch64"].map { machine in
                    .init(
                        "fast-1.0-cp311-cp311-manylinux_2_17_\(machine).whl",
                        [common, .init("fast/_speedups.cpython-311-\(machine)-linux-gnu.so", machine)], needs: [])
                })
            let packages = try await scene.vendor(["fast"], for: [.linuxX86, .linuxARM])
            #expect(
                try scene.tree().filter { $0.hasPrefix("fast/") } == [
                    "fast/__init__.py", "fast/_speedups.cpython-311-aarch64-linux-gnu.so",
                    "fast/_speedups.cpython-311-x86_64-linux-gnu.so",
                ])
            #expect(try scene.text("fast-1.0.dist-info/WHEEL").contains("x86_64"))
            let hashes = try ["x86_64", "aarch64"].map {
                try scene.hash("fast-1.0-cp311-cp311-manylinux_2_17_\($0).whl")
            }.sorted()
            #expect(
                packages.lock == """
                    # requirements.lock for linux-x86_64, linux-arm64
                    fast==1.0 \\
                        --hash=sha256:\(hashes[0]) \\
                        --hash=sha256:\(hashes[1])

                    """)
        }
    }

    /// uv judges markers by the target, and gives the hashes of every file of a version.
    @Test(.needsPip, .needsUV) func asksUVWhereItIs() async throws {
        try await withScene(["PATH": "\(parentFolder(try Project.tool("uv"))):\(processEnvironment()["PATH"] ?? "")"]) {
            scene in
            try await scene.offer([
                .init(
                    "alpha-1.0-py3-none-any.whl", [.init("alpha.py", "a")], needs: ["beta; sys_platform == 'darwin'"]),
                .init("beta-1.0-cp311-cp311-macosx_11_0_arm64.whl", [.init("beta.so", "arm")], needs: []),
                .init("beta-1.0-cp311-cp311-macosx_11_0_x86_64.whl", [.init("beta.so", "intel")], needs: []),
            ])
            try Data().write(to: scene.wheels.appending(path: "only_source-1.0.tar.gz"))
            var report = CloacinaReport()
            let packages = try await scene.vendor(["alpha"], for: [.linuxX86, .macARM], &report)
            #expect(packages.list == "alpha==1.0\nbeta==1.0\n")
            #expect(
                try packages.lock.hasSuffix(
                    "    --hash=sha256:\(scene.hash("beta-1.0-cp311-cp311-macosx_11_0_arm64.whl"))\n"))
            #expect(try scene.text("beta.so") == "arm")
            #expect(report.warnings == [])
            #expect(try await scene.refusal(["only-source"])?.code == .sdistOnly)
            #expect(try await scene.refusal(["no-such-package"])?.code == .dependencyUnresolved)
        }
    }

    @Test func runsNoToolWhereThereIsNothingToBring() async throws {
        try await withScene { scene in
            let python = scene.folder.appending(path: "python")
            try writeScript("touch '\(scene.folder.path)/was-run'", to: python)
            let packages = try await scene.vendor([], for: [.linuxX86, .macARM], python: python.path)
            #expect(packages.lock == "# requirements.lock for linux-x86_64, macos-arm64\n")
            #expect(try scene.tree() == [])
            #expect(!FileManager.default.fileExists(atPath: "\(scene.folder.path)/was-run"))
        }
    }

    @Test(.needsPip) func takesWheelsForMacsAndSaysWhoJudgesTheMarkers() async throws {
        try await withScene { scene in
            try await scene.offer([
                .init("fast-1.0-cp311-cp311-macosx_11_0_arm64.whl", [.init("fast.so", "arm")], needs: []),
                .init("fast-1.0-cp311-cp311-macosx_10_9_universal2.whl", [.init("fast.so", "both")], needs: []),
                .init("old-1.0-cp311-cp311-macosx_10_9_x86_64.whl", [.init("old.so", "intel")], needs: []),
            ])
            var report = CloacinaReport()
            _ = try await scene.vendor(["fast"], for: [.macARM], &report)
            #expect(try scene.text("fast.so") == "arm")
            #expect(report.warnings.map(\.code) == [.markersOfThisMachine])
        }
        try await withScene { scene in
            try await scene.offer([
                .init("old-1.0-cp311-cp311-macosx_10_9_x86_64.whl", [.init("old.so", "intel")], needs: [])
            ])
            _ = try await scene.vendor(["old"], for: [.macX86])
            #expect(try scene.text("old.so") == "intel")
        }
    }

    @Test(.needsPip) func tellsWhatCannotBeHad() async throws {
        try await withScene { scene in
            try await scene.offer([
                .init("alpha-1.0-py3-none-any.whl", [], needs: ["only-source"]),
                .init("other-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", [], needs: []),
            ])
            try Data().write(to: scene.wheels.appending(path: "only_source-1.0.tar.gz"))
            let needed = try await scene.refusal(["alpha"])
            #expect(needed?.code == .sdistOnly)
            #expect(needed?.message == "there is only-source, but no wheel of it for linux-x86_64 with Python 3.11")
            let error = try await scene.refusal(["other"], for: [.linuxARM])
            #expect(error?.code == .dependencyUnresolved)
        }
    }

    @Test(
        .needsPip,
        arguments: [
            ("exit 9", CloacinaCode.downloadFailed), ("cp OTHER/* WHEELS", .hashMismatch), ("exit 0", .downloadFailed),
        ])
    func believesNoDownload(meanwhile: String, code: CloacinaCode) async throws {
        try await withScene { scene in
            let other = scene.folder.appending(path: "other")
            try await scene.offer([.init("alpha-1.0-py3-none-any.whl", [.init("a.py", "good")], needs: [])])
            try await Wheels.make(
                [.init("alpha-1.0-py3-none-any.whl", [.init("a.py", "evil")], needs: [])], in: other)
            let script = meanwhile.replacing("OTHER", with: other.path).replacing("WHEELS", with: scene.wheels.path)
            let python = scene.folder.appending(path: "python")
            try writeScript(
                "case \" $* \" in *' download '*) \(script) ;; esac\nexec '\(try scene.python())' \"$@\"", to: python)
            #expect(try await scene.refusal(["alpha"], python: python.path)?.code == code)
            #expect(try scene.tree() == [])
        }
    }

    @Test func tellsThatThereIsNoPip() async throws {
        try await withScene { scene in
            let python = try scene.python()
            let made = try await LianSystem.run(
                Command(
                    python, ["-m", "venv", "--without-pip", "\(scene.folder.path)/bare"], environment: scene.environment
                ),
                deadline: .seconds(300))
            try #require(made.termination.isSuccess, "\(made.errorText)")
            let error = try await scene.refusal(["alpha"], python: "\(scene.folder.path)/bare/bin/python")
            #expect(error?.code == .pipMissing)
            #expect(error?.exitStatus == 4)
        }
    }

    @Test func showsNoPasswordOfAnIndex() async throws {
        try await withScene(["PIP_INDEX_URL": "https://ada:hunter22-s3same@index.example/simple"]) { scene in
            let python = scene.folder.appending(path: "python")
            try writeScript("echo \"looked in $PIP_INDEX_URL\" | tee /dev/stderr; exit 1", to: python)
            let error = try await scene.refusal(["alpha"], python: python.path)
            #expect(error?.code == .pipMissing || error?.code == .dependencyUnresolved)
            let said = scene.said.withLock { $0 }
            #expect(!said.isEmpty)
            #expect(!"\(said) \(String(describing: error))".contains("hunter22"))
        }
    }

    @Test(arguments: [#""hashes":{"sha256":"00ff","md5":"11"},"hash":"md5=11""#, #""hash":"sha256=00ff""#])
    func readsReportsOfOldAndNewPips(hashes: String) throws {
        let report =
            #"{"version":"1","install":[{"download_info":{"url":"file:///a","archive_info":{HASHES}},"#
            + #""metadata":{"name":"Alpha_One","version":"1.0"},"requested":true}]}"#
        let value = try JSONValue.parse(report.replacing("HASHES", with: hashes))
        #expect(try PipReport(JSONNode(value)).pins == [Pin(name: "alpha-one", version: "1.0", hashes: ["00ff"])])
    }

    @Test(arguments: [
        "requests", "requests>=2", " requests >= 2 , < 3 ", "requests[security,socks]>=2", "requests (>=2)",
        "a.b-c_d==1.0.*", "requests>=2; python_version < '3.9'", "x ; sys_platform == 'linux' and extra == 'a'",
        "requests~=2.0,!=2.1", "requests===2.0+local", "x==1!2.0rc1.post3.dev4",
    ])
    func takesNamesWithVersions(text: String) throws {
        #expect(try Requirement(text).text == text)
    }

    @Test(arguments: [
        "requests @ https://h.example/a.whl", "requests@git+https://h.example/a", "./local", "../local", "/local", ".",
        "file:///local", "https://h.example/a.whl", "-r other.txt", "--index-url=https://h.example", "-e .", "",
        "requests\n--index-url https://h.example", "requests>=2 --hash=sha256:00", "a b", "requests>=2 \\", "$(id)",
        "requests>='2'", "requests;\u{0}", "_requests", "requests-", "réquests",
    ])
    func refusesPlacesAndOptions(text: String) throws {
        let error = #expect(throws: CloacinaError.self) { try Requirement(text) }
        #expect(error?.code == .dependencyUnsupported)
        #expect(error?.exitStatus == 2)
    }

    // MARK: -

    /// A folder with wheels, and one to vendor into.
    private final class Scene: Sendable {
        let folder: URL
        let environment: [String: String]
        let said = Mutex<[String]>([])

        init(_ folder: URL, _ added: [String: String]) {
            self.folder = folder
            let own = ProcessInfo.processInfo.environment
            // These tests are about pip.
            let path = (own["PATH"] ?? "").split(separator: ":").filter { findExecutable("\($0)/uv", path: nil) == nil }
            let variables = [
                "PATH": path.joined(separator: ":"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels",
                "UV_OFFLINE": "1", "UV_FIND_LINKS": "wheels",
            ]
            environment = own.merging(variables) { $1 }.merging(added) { $1 }
        }

        var wheels: URL { folder.appending(path: "wheels") }
        var vendored: String { folder.appending(path: "vendor").path }

        func python() throws -> String {
            try #require(findExecutable("python3", path: ProcessInfo.processInfo.environment["PATH"]))
        }

        func offer(_ all: [Wheels.Wheel]) async throws { try await Wheels.make(all, in: wheels) }

        func vendor(
            _ dependencies: [String], for targets: [PackageTarget] = [.linuxX86], python: String? = nil
        ) async throws -> VendoredPackages {
            var report = CloacinaReport()
            return try await vendor(dependencies, for: targets, python: python, &report)
        }

        func vendor(
            _ dependencies: [String], for targets: [PackageTarget], python: String? = nil,
            _ report: inout CloacinaReport
        ) async throws -> VendoredPackages {
            let scratch = folder.appending(path: "scratch").path
            try? FileManager.default.removeItem(atPath: scratch)
            for path in [scratch, vendored] { try makeFolder(path) }
            let surroundings = Surroundings(
                environment: environment, workingFolder: folder.path,
                tell: { [self] line in said.withLock { $0.append(line) } })
            return try await Vendoring(
                interpreter: PythonInterpreter(python ?? self.python(), surroundings), targets: targets,
                python: PythonVersion(minor: 11), tellsAll: false, surroundings: surroundings
            ).vendor(dependencies, into: vendored, scratch: scratch, &report)
        }

        func refusal(
            _ dependencies: [String], for targets: [PackageTarget] = [.linuxX86], python: String? = nil
        ) async throws -> CloacinaError? {
            await #expect(throws: CloacinaError.self) {
                _ = try await vendor(dependencies, for: targets, python: python)
            }
        }

        func tree() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: vendored).filter {
                fileKind("\(vendored)/\($0)") == .regular
            }.sorted()
        }

        func text(_ path: String) throws -> String { try readText("\(vendored)/\(path)") }

        func hash(_ wheel: String) throws -> String {
            hexadecimal(SHA256.of(try readFile(wheels.appending(path: wheel).path, limit: 1 << 20)))
        }
    }

    private func withScene(
        _ added: [String: String] = [:], _ body: (Scene) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { try await body(Scene($0, added)) }
    }
}
