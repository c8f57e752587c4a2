import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct PluginNewTests {
    /// The program carries the files of examples/plugin, and no other ones.
    @Test func writesTheExample() async throws {
        try await withCloacinaFolder { folder in
            let run = try await folder.run(["plugin", "new", "swift-demo"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.errors == "Created: swift-demo\n")
            #expect(run.envelope["package"]?["name"] == "swift-demo")
            let example = Project.root.appending(path: "examples/plugin")
            let written = folder.url.appending(path: "swift-demo")
            #expect(try files(below: written) == (try files(below: example)))
        }
    }

    private func files(below folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        func read(_ path: String) throws {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path + path) where name != ".build" {
                let inner = "\(path)/\(name)"
                if fileKind(folder.path + inner) == .folder {
                    try read(inner)
                } else {
                    files[inner] = try Data(contentsOf: URL(filePath: folder.path + inner))
                }
            }
        }
        try read("")
        return files
    }

    /// Under another name it builds as its README says, and tells that name.
    @Test func anotherNameBuilds() async throws {
        try await withCloacinaFolder { folder in
            let made = try await folder.run(["plugin", "new", "my-flow.2", "--out", "deep/er", "-o", "id"])
            #expect(made.output == "my-flow.2-0.1.0\n", "\(made.errors)")
            let readme = try String(contentsOfFile: folder.path("deep/er/README.md"), encoding: .utf8)
            let line = try #require(readme.split(separator: "\n").first { $0.hasPrefix("swift build ") })
            let build = try await LianSystem.run(
                Command(
                    try Project.tool("swift"), line.split(separator: " ").dropFirst().map(String.init),
                    environment: ProcessInfo.processInfo.environment, workingDirectory: folder.path("deep/er")),
                deadline: .seconds(1200))
            #expect(build.termination.isSuccess, "\(build.outputText)\(build.errorText)")
            let run = try await folder.run(
                ["plugin", "inspect", "deep/er/.build/release/libmy-flow.2.so", "--load"])
            let library = run.envelope["inspection"]?["library"]
            #expect(library?["descriptors"] == "at_run_time")
            let answer = library?["loaded"]?["methods"]?[0]?["answer"]
            #expect(answer?["package_name"] == "my-flow.2")
            #expect(answer?["workflow_name"] == "my_flow_2")
            #expect(answer?["tasks"]?.arrayValue?.map { $0["id"] } == ["hello", "goodbye"])
        }
    }

    @Test func leavesNothingWhereItCannot() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("there", "mine")
            try folder.write("full/mine", "mine")
            try FileManager.default.createDirectory(atPath: folder.path("empty"), withIntermediateDirectories: false)
            for (arguments, code) in [
                (["there"], "file_exists"), (["full"], "file_exists"), (["empty"], "file_exists"),
                (["x", "--out", "there/in"], "write_failed"), (["a b"], "name_invalid"), (["../x"], "name_invalid"),
                ([".x"], "name_invalid"), (["é"], "name_invalid"),
                ([String(repeating: "x", count: 129)], "name_invalid"),
            ] {
                let run = try await folder.run(["plugin", "new"] + arguments)
                #expect(run.status == 2)
                #expect(run.code == code, "\(arguments)")
            }
            #expect(try folderEntries(folder.url.path) == ["empty", "full", "there", "tmp"])
            #expect(try folderEntries(folder.path("full")) == ["mine"])
        }
    }
}
