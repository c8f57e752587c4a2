import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianCloacina

@Suite struct DiscoveryTests {
    init() {
        ignoreBrokenPipes()
    }

    /// What is told of a source is not longer than what people read.
    @Test func ofManyDependenciesOneWarningIsMade() async throws {
        let found = try await tasks(
            """
            import cloaca
            @cloaca.task(dependencies=[\(String(repeating: "x,", count: 2000))])
            def one(context): pass
            @cloaca.task(dependencies=[x])
            def other(context): pass
            """)
        #expect(found.warnings.count == 2)
        #expect(found.warnings.first?.message.contains("2000 dependencies of one are neither") == true)
        #expect(found.warnings.last?.message.contains("a dependency of other is neither") == true)
    }

    @Test func findsEveryFormInTheOrderOfPythonsWalk() async throws {
        let found = try await tasks(
            """
            import cloaca
            from cloaca import task, task as step
            from other import task as unrelated

            NAME = "computed"

            class Holder:
                @cloaca.task(id="in-a-class")
                def method(context):
                    def deepest(context): pass
                    @task()
                    def nested(context): pass

            @cloaca.task(id="fetch", description="Fetches", retries=3, timeout_seconds=60)
            def fetch_orders(context): pass

            @other_decorator
            @anything.at.all.task(dependencies=["fetch", bare, Holder], retry_attempts=2)
            def clean(context): pass

            @task
            def bare(context): pass

            @cloaca.task
            def attribute_bare(context): pass

            @step(id=NAME, dependencies=(clean, attribute_bare), retries=None, description=None)
            def store(context): pass

            @unrelated()
            def no_task(context): pass

            @make().task(dependencies=[*NAMES, "fetch"])
            def called(context): pass

            @taskforce.tasks()
            def neither(context): pass
            """)
        #expect(
            found.tasks == [
                PythonTask(
                    id: "fetch", function: "fetch_orders", description: "Fetches", retries: 3, timeoutSeconds: 60),
                PythonTask(id: "clean", function: "clean", dependencies: ["fetch", "bare"], retries: 2),
                PythonTask(id: "bare", function: "bare"),
                PythonTask(id: "attribute_bare", function: "attribute_bare"),
                PythonTask(id: "store", function: "store", dependencies: ["clean", "attribute_bare"]),
                PythonTask(id: "called", function: "called", dependencies: ["fetch"]),
                PythonTask(id: "in-a-class", function: "method"),
                PythonTask(id: "nested", function: "nested"),
            ])
        #expect(
            found.warnings.map(\.code)
                == [.bareDecorator, .bareDecorator, .notLiteral, .notLiteral, .notLiteral])
    }

    @Test func runsNothingOfTheUsers() async throws {
        try await withTemporaryFolder { folder in
            let trap = "open('\(folder.path)/was-run', 'w')\n"
            for name in ["ast", "json", "sitecustomize", "usercustomize", "cloaca", "helper"] {
                try trap.write(to: folder.appending(path: "\(name).py"), atomically: true, encoding: .utf8)
            }
            let found = try await tasks(
                trap + "import helper\n@cloaca.task(id=open('\(folder.path)/was-run', 'w').name)\ndef a(c): pass\n",
                folder: folder.path,
                environment: ["PYTHONPATH": folder.path, "PYTHONSTARTUP": "\(folder.path)/helper.py"])
            #expect(found.tasks == [PythonTask(id: "a", function: "a")])
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "was-run").path))
        }
    }

    @Test(arguments: [
        "@task()\nasync def a(c): pass": "async_task 2:1",
        "class T:\n  @task()\n  async def a(c): pass": "async_task 3:3",
        "@task(id=5)\ndef a(c): pass": "task_invalid 2:1",
        "@task(id='')\ndef a(c): pass": "task_invalid 2:1",
        "@task(id='\\ud800')\ndef a(c): pass": "task_invalid 2:1",
        "@task(id=b'a')\ndef a(c): pass": "task_invalid 2:1",
        "@task(description=[])\ndef a(c): pass": "task_invalid 2:1",
        "@task(retries='3')\ndef a(c): pass": "task_invalid 2:1",
        "@task(retries=True)\ndef a(c): pass": "task_invalid 2:1",
        "@task(retries=-1)\ndef a(c): pass": "task_invalid 2:1",
        "@task(retries=1.5)\ndef a(c): pass": "task_invalid 2:1",
        "@task(timeout_seconds=1\(String(repeating: "0", count: 400)))\ndef a(c): pass": "task_invalid 2:1",
        "@task(dependencies='a')\ndef a(c): pass": "task_invalid 2:1",
        "@task(dependencies={'a'})\ndef a(c): pass": "task_invalid 2:1",
        "@task()\ndef a(c): pass\n@task(id='a')\ndef b(c): pass": "task_duplicate 4:1",
        "@task(dependencies=['b'])\ndef a(c): pass": "task_dependency_unknown 2:1",
        "@task(dependencies=['a'])\ndef a(c): pass": "task_cycle 2:1",
        "@task()\ndef x(c): pass\n@task(dependencies=['x','b'])\ndef a(c): pass\n@task(dependencies=[a])\ndef b(c): pass":
            "task_cycle 4:1",
        "def a(c): pass": "no_tasks nil",
        "": "no_tasks nil",
        "x = 1\n)": "python_syntax 2:1",
        "def a(:\n": "python_syntax 1:7",
        "x = '\u{0}'": "python_syntax 1:1",
        "# coding: no-such-coding\nx = 1": "python_syntax 1:1",
    ])
    func refuses(source: String, expected: String) async throws {
        let error = await #expect(throws: CloacinaError.self) { try await tasks(source) }
        let place = error?.place.map { "\($0.line):\($0.column)" } ?? "nil"
        #expect(error.map { "\($0.code.rawValue) \(place)" } == expected, "\(error.debugDescription)")
        #expect(error?.hint.isEmpty == false)
    }

    @Test func readsTheCodingsThatPythonReads() async throws {
        let source = "@task(id='é')\ndef a(c): pass\n"
        let latin = Array("# coding: latin-1\n@task(id='".utf8) + [0xE9] + Array("')\ndef a(c): pass\n".utf8)
        for bytes in [Array(source.utf8), [0xEF, 0xBB, 0xBF] + Array(source.utf8), latin] {
            #expect(try await tasks(bytes).tasks == [PythonTask(id: "é", function: "a")])
        }
    }

    @Test(arguments: [
        ("echo '{\"version\":[3,7,16],\"too_old\":true}'", CloacinaCode.pythonTooOld),
        ("echo nothing", .pythonFailed), ("echo '{\"version\":3}'", .pythonFailed), ("exit 3", .pythonFailed),
        ("kill -9 $$", .pythonFailed), ("head -c 17000000 /dev/zero", .pythonFailed),
    ])
    func tellsABrokenInterpreter(script: String, code: CloacinaCode) async throws {
        try await withTemporaryFolder { folder in
            let python = folder.appending(path: "python")
            try writeScript(script, to: python)
            let error = await #expect(throws: CloacinaError.self) {
                try await tasks(Array("x".utf8), python: python.path)
            }
            #expect(error?.code == code)
            #expect(error?.exitStatus == 4)
        }
    }

    @Test func tellsThatThereIsNoInterpreter() async throws {
        let error = await #expect(throws: CloacinaError.self) {
            try await tasks([], python: "no-such-python")
        }
        #expect(error?.code == .pythonMissing)
    }

    @Test(arguments: ["a/b.py", "a/b/__init__.py", "src/a/b.py", "src/a/b/__init__.py"])
    func findsTheEntryModule(file: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: file)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: path)
            let module = try EntryModule("a.b", project: folder.path)
            #expect(module.path == path.path)
            #expect(module.top == "a")
        }
    }

    @Test(arguments: ["", ".", "a.", "a..b", "../a", "a/b", "a b", "1a", "a:b", "a.\u{0}"])
    func refusesWhatIsNoModulesName(name: String) {
        let error = #expect(throws: CloacinaError.self) { try EntryModule(name, project: "/") }
        #expect(error?.code == .pyprojectInvalid)
    }

    // MARK: -

    private struct Found {
        var tasks: [PythonTask]
        var warnings: [CloacinaWarning]
    }

    private func tasks(_ source: String, folder: String = "/", environment: [String: String] = [:]) async throws
        -> Found
    {
        try await tasks(Array(source.utf8), folder: folder, environment: environment)
    }

    private func tasks(
        _ source: [UInt8], python: String? = nil, folder: String = "/", environment: [String: String] = [:]
    ) async throws -> Found {
        let surroundings = Surroundings(
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, workingFolder: folder,
            tell: { _ in })
        let module = try await ParsedModule(
            source: source, file: "tasks.py", try PythonInterpreter(python, surroundings))
        var report = CloacinaReport()
        let tasks = try PythonTask.all(in: module, file: "tasks.py", &report)
        return Found(tasks: tasks, warnings: report.warnings)
    }
}
