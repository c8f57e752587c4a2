import Foundation
import LianSystem
import LianTestSupport
import Testing

@testable import LianCloacina

@Suite struct PyProjectTests {
    private static let whole = """
        [project]
        name = "my-workflow"
        version = "1.2.0"
        description = "Orders"
        requires-python = ">=3.11"
        authors = [{email = "a@example.org"}, {name = "Ada"}]
        dependencies = ["requests>=2", "markupsafe; sys_platform == 'linux'"]
        [tool.cloaca]
        entry_module = "my_workflow.tasks"
        workflow_name = "orders"
        """

    @Test func readsWhatAPackageIsMadeOf() throws {
        let project = try PyProject(parseTOML(Array(Self.whole.utf8)))
        #expect(project.name == "my-workflow")
        #expect(project.version == "1.2.0")
        #expect(project.description == "Orders")
        #expect(project.requiresPython == ">=3.11")
        #expect(project.author == "Ada")
        #expect(project.dependencies == ["requests>=2", "markupsafe; sys_platform == 'linux'"])
        #expect(project.entryModule == "my_workflow.tasks")
        #expect(project.workflowName == "orders")
    }

    @Test(arguments: [
        "[tool.cloaca]\nentry_module = 'a'": "pyproject_field_missing: pyproject.toml has no project",
        "[project]\nversion = '1'": "pyproject_field_missing: pyproject.toml has no project.name",
        "[project]\nname = 'a'\ndynamic = ['version']":
            "pyproject_field_missing: pyproject.toml has no project.version",
        "[project]\nname = 'a'\nversion = '1'": "pyproject_field_missing: pyproject.toml has no tool.cloaca",
        "[project]\nname = 'a'\nversion = '1'\n[tool.other]":
            "pyproject_field_missing: pyproject.toml has no tool.cloaca",
        "[project]\nname = 'a'\nversion = '1'\n[tool.cloaca]":
            "pyproject_field_missing: pyproject.toml has no tool.cloaca.entry_module",
        "[project]\nname = 'a/b'\nversion = '1'":
            "name_invalid: the package's name 'a/b' cannot be the name of a file",
        "[project]\nname = 'a'\nversion = '../1'":
            "version_invalid: the package's version '../1' cannot be the name of a file",
        "project = 1": "pyproject_invalid: project in pyproject.toml is no table",
        "[project]\nname = 1": "pyproject_invalid: project.name in pyproject.toml is no text",
        "[project]\nname = 'a'\nversion = '1'\ndependencies = 'b'":
            "pyproject_invalid: project.dependencies in pyproject.toml is no list",
        "[project]\nname = 'a'\nversion = '1'\ndependencies = [1]":
            "pyproject_invalid: project.dependencies in pyproject.toml holds something that is no text",
        "[project]\nname = 'a'\nversion = '1'\ndynamic = ['dependencies']":
            "dependency_unsupported: project.dependencies is dynamic: only a build of the project would tell it",
    ])
    func refuses(document: String, expected: String) {
        let error = #expect(throws: CloacinaError.self) { try PyProject(parseTOML(Array(document.utf8))) }
        #expect(error.map { "\($0.code.rawValue): \($0.message)" } == expected)
        #expect(error?.exitStatus == 2)
        #expect(!document.contains("dynamic = ['version']") || error?.hint.contains("project.dynamic") == true)
    }

    @Test func tellsWhereTheFileIsNoTOML() async throws {
        try await withTemporaryFolder { folder in
            let missing = #expect(throws: CloacinaError.self) { try PyProject(project: folder.path) }
            #expect(missing?.code == .pyprojectMissing)
            let path = folder.appending(path: "pyproject.toml").path
            try writeFile(path, "[project]\nname = my-workflow\n")
            let error = #expect(throws: CloacinaError.self) { try PyProject(project: folder.path) }
            #expect(error?.code == .pyprojectInvalid)
            #expect(error?.place == .init(file: path, line: 2, column: 8))
        }
    }

    @Test func takesEachTargetOnceAndNamesAllThatThereAreNot() throws {
        #expect(try PackageTarget.all(named: []) == [.own])
        #expect(
            try PackageTarget.all(named: ["macos-arm64", "linux-x86_64", "macos-arm64"]) == [.macARM, .linuxX86])
        let error = #expect(throws: CloacinaError.self) {
            try PackageTarget.all(named: ["linux-x86_64", "windows", "linux"])
        }
        #expect(error?.code == .targetUnsupported)
        #expect(error?.message == "no such target: windows, linux")
    }

    @Test(
        arguments: [
            (nil, 11), (">=3.8", 11), (">=3.12", 12), ("<3.11", 0), (">=3.8,<3.10", 8), ("==3.9.*", 9),
            ("~=3.12.2", 12),
            ("~=3.8", 11), ("!=3.11.*,>=3.10", 10), ("==3.11.4", 11), (" >= 3.13 , != 3.13.0 ", 13), ("<=3.11", 11),
            ("===3.12.1", 12), (">3.11", 11), (">=3", 11),
        ] as [(String?, Int)])
    func takesAPythonThatTheProjectAllows(requirement: String?, minor: Int) throws {
        #expect(try PythonVersion(allowedBy: requirement).minor == minor)
    }

    @Test(arguments: ["3.11", ">=x", ">=3.*", "~=3", "<3", "=>3.8", ">=3.8;"])
    func refusesWhatAllowsNone(requirement: String) {
        let error = #expect(throws: CloacinaError.self) { try PythonVersion(allowedBy: requirement) }
        #expect(error?.code == .pyprojectInvalid)
    }

    @Test(arguments: ["", "3", "2.7", "3.11.1", "3.x", "3.-1", "3.100"])
    func refusesWhatIsNoVersion(text: String) {
        let error = #expect(throws: CloacinaError.self) { try PythonVersion(text) }
        #expect(error?.code == .invalidArgument)
    }
}
