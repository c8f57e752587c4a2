import Foundation
import LianContext
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// What the real BuildKit copies of a context is what the walk says that it copies.
@Suite(.needsDockerEngine) struct EngineContextTests {
    @Test func theEngineCopiesWhatTheWalkSays() async throws {
        try await DockerEngine.with { engine in
            try await withTemporaryFolder { folder in
                let dockerfile = folder.appending(path: "Dockerfile")
                try "FROM scratch\nCOPY . /\n".write(to: dockerfile, atomically: true, encoding: .utf8)
                // Four at a time: most of a build is waiting.
                let compared = try await withThrowingTaskGroup(of: Bool.self) { group in
                    var compared = 0
                    for (index, sample) in ContextSample.all.enumerated() {
                        if index >= 4, try await group.next() == true { compared += 1 }
                        group.addTask { try await compare(sample, engine, folder) }
                    }
                    for try await wasCompared in group where wasCompared { compared += 1 }
                    return compared
                }
                #expect(compared > 60)
            }
        }
    }

    @Test func whatTheEngineFetchesByItselfAndWhatItMakesOfSpecialFiles() async throws {
        try await DockerEngine.with { engine in
            try await withTemporaryFolder { folder in
                let root = folder.appending(path: "context")
                let output = folder.appending(path: "output")
                try ContextSample(
                    tree: ["sub/", "a", "b", "sub/Dockerfile.dockerignore"], ignoreFile: "b\n"
                ).make(at: root)
                try "FROM scratch\nCOPY . /\n".write(
                    to: root.appending(path: "sub/Dockerfile"), atomically: false, encoding: .utf8)
                try "**\n!b\n!special".write(
                    to: root.appending(path: "sub/Dockerfile.dockerignore"), atomically: false, encoding: .utf8)
                try await makeSpecialFiles(in: root.appending(path: "special"))
                let build = try await engine.docker([
                    "build", "-f", "\(root.path)/sub/Dockerfile", "--output", "type=local,dest=\(output.path)",
                    root.path,
                ])
                try #require(build.termination.isSuccess, "\(build.errorText)")
                let copied = try await listing(of: output)
                // Docker 20.10 takes a FIFO and does not copy it; later ones do.
                #expect(
                    copied.subtracting(["pspecial/fifo"]) == ["fb", "dspecial", "fspecial/socket", "lspecial/link"])
                let context = try Context(root: root.path, dockerfile: "sub/Dockerfile")
                var sent: Set<String> = []
                _ = try context.walk { sent.insert($0.description) }
                #expect(
                    sent == [
                        "dsub", "fsub/Dockerfile", "fsub/Dockerfile.dockerignore", "fb", "dspecial", "?special/fifo",
                        "?special/socket", "lspecial/link",
                    ])
            }
        }
    }

    /// As a context on a volume is: the folder that the engine is told of is a link to it.
    @Test func theEngineFollowsALinkToTheContext() async throws {
        try await DockerEngine.with { engine in
            try await withTemporaryFolder { folder in
                let link = folder.appending(path: "link")
                let output = folder.appending(path: "output")
                try ContextSample(tree: ["sub/", "a", "sub/b"], ignoreFile: "").make(at: folder.appending(path: "real"))
                try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "real")
                try "FROM scratch\nCOPY . /\n".write(
                    to: link.appending(path: "Dockerfile"), atomically: false, encoding: .utf8)
                let build = try await engine.docker([
                    "build", "--file", "\(link.path)/Dockerfile", "--output", "type=local,dest=\(output.path)",
                    link.path,
                ])
                try #require(build.termination.isSuccess, "\(build.errorText)")
                #expect(try await listing(of: output) == ["fDockerfile", "f.dockerignore", "dsub", "fa", "fsub/b"])
            }
        }
    }

    private func makeSpecialFiles(in folder: URL) async throws {
        let script =
            "import os,socket; os.mkfifo('fifo'); os.symlink('../a','link'); socket.socket(socket.AF_UNIX).bind('socket')"
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = try await run(
            Command("/usr/bin/python3", ["-c", script], environment: [:], workingDirectory: folder.path),
            deadline: .seconds(30))
        try #require(made.termination.isSuccess, "\(made.errorText)")
    }

    /// Whether both sides took the ignore file, so that there was something to compare.
    private func compare(_ sample: ContextSample, _ engine: DockerEngine, _ folder: URL) async throws -> Bool {
        let root = folder.appending(path: UUID().uuidString)
        let output = folder.appending(path: UUID().uuidString)
        defer {
            try? FileManager.default.removeItem(at: root)
            try? FileManager.default.removeItem(at: output)
        }
        try sample.make(at: root)
        let build = try await engine.docker([
            "build", "-f", folder.appending(path: "Dockerfile").path, "--output", "type=local,dest=\(output.path)",
            root.path,
        ])
        let context: Context
        do {
            context = try Context(root: root.path, dockerfile: nil)
        } catch {
            #expect(!build.termination.isSuccess, "the engine takes what is refused here: \(sample), \(error)")
            return false
        }
        guard build.termination.isSuccess else {
            #expect(!context.rules.readableBeforeV010, "the engine refuses \(sample): \(build.errorText)")
            return false
        }
        var said: Set<String> = []
        try context.walk(asReadBy: .beforeV010) { said.insert($0.description) }
        let copied = try await listing(of: output)
        #expect(said == copied, "\(sample)")
        // Whatever it copies is sent.
        var sent: Set<String> = []
        _ = try context.walk { sent.insert($0.description) }
        #expect(copied.isSubset(of: sent), "\(sample)")
        return true
    }
}

extension ContextEntry {
    /// As `find -printf "%y%P"` writes it.
    fileprivate var description: String {
        switch kind {
        case .folder: "d" + pathText
        case .file: "f" + pathText
        case .link: "l" + pathText
        case .special: "?" + pathText
        }
    }
}

private func listing(of folder: URL) async throws -> Set<String> {
    let found = try await run(
        Command("/usr/bin/find", [folder.path, "-mindepth", "1", "-printf", "%y%P\\0"], environment: [:]),
        deadline: .seconds(30))
    #expect(found.termination.isSuccess)
    return Set(found.outputText.split(separator: "\0").map(String.init))
}
