import Foundation
import Glibc
import LianContext
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct ContextTests {
    /// A folder with files of the given contents; a path that ends with a slash is a folder.
    private func withContext<Result>(
        _ files: [String: String], _ body: (String) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder { folder in
            for (path, content) in files.sorted(by: { $0.key < $1.key }) {
                let place = folder.appending(path: path)
                let parent = path.hasSuffix("/") ? place : place.deletingLastPathComponent()
                try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
                if !path.hasSuffix("/") { try content.write(to: place, atomically: false, encoding: .utf8) }
            }
            return try await body(folder.path)
        }
    }

    private func travelling(_ context: Context) throws -> [String] {
        var paths: [String] = []
        _ = try context.walk { paths.append($0.pathText) }
        return paths.sorted()
    }

    private func refusal(_ root: String, _ dockerfile: String? = "Dockerfile") throws -> LianError {
        try #require(
            throws: LianError.self, performing: { try Context(root: root, dockerfile: dockerfile).summary() })
    }

    @Test func theSummaryCounts() async throws {
        let files = [
            "Dockerfile": "FROM scratch", "a": "12345", "d/b": "123", "d/deep/c": "1", "e/": "", "out/x": "12",
            "out/y/z": "1",
            ".dockerignore": "out\n",
        ]
        try await withContext(files) { root in
            symlink("somewhere", root + "/link")
            link(root + "/a", root + "/hard")
            let summary = try Context(root: root, dockerfile: "Dockerfile").summary()
            #expect(summary.files == 7)
            #expect(summary.folders == 3)
            #expect(summary.bytes == 12 + 5 + 3 + 1 + 4 + 9 + 5)
            #expect(summary.excludedFiles == 2)
            #expect(summary.largest.map(\.path) == ["Dockerfile", "a", "hard", ".dockerignore", "d/b"])
            #expect(summary.largest.map(\.bytes) == [12, 5, 5, 4, 3])
            #expect(summary.longestPath == Array(".dockerignore".utf8))
            #expect(summary.warnings == [])
        }
    }

    @Test func theDockerfilesOwnIgnoreFileWins() async throws {
        let files = [
            "sub/Dockerfile": "", "sub/Dockerfile.dockerignore": "*\n!b", ".dockerignore": "b", "a": "", "b": "",
            "other/Dockerfile": "",
        ]
        try await withContext(files) { root in
            let own = try Context(root: root, dockerfile: "sub/Dockerfile")
            #expect(own.ignoreFile == "sub/Dockerfile.dockerignore")
            #expect(try travelling(own) == ["b", "sub", "sub/Dockerfile", "sub/Dockerfile.dockerignore"])
            let other = try Context(root: root, dockerfile: "other/Dockerfile")
            #expect(other.ignoreFile == ".dockerignore")
            #expect(try !travelling(other).contains("b"))
            let extra = try Context(root: root, dockerfile: nil)
            #expect(extra.ignoreFile == ".dockerignore")
        }
    }

    @Test func anEmptyIgnoreFileOfItsOwnHidesTheOther() async throws {
        let files = ["Dockerfile": "", "Dockerfile.dockerignore": "", ".dockerignore": "b", "b": ""]
        try await withContext(files) { root in
            let paths = try travelling(Context(root: root, dockerfile: "Dockerfile"))
            #expect(paths.contains("b"))
        }
    }

    @Test func whatTheEngineReadsTravelsThroughLinks() async throws {
        let files = ["build/docker/Dockerfile.real": "", "rules/ignore": "**", "a": ""]
        try await withContext(files) { root in
            symlink("build/docker", root + "/docker")
            symlink("../../build/./docker/Dockerfile.real", root + "/build/docker/Dockerfile")
            symlink("rules/ignore", root + "/.dockerignore")
            let context = try Context(root: root, dockerfile: "docker/Dockerfile")
            #expect(
                try travelling(context) == [
                    ".dockerignore", "build", "build/docker", "build/docker/Dockerfile", "build/docker/Dockerfile.real",
                    "docker", "rules", "rules/ignore",
                ])
        }
    }

    @Test func dockerfileWrittenSmall() async throws {
        try await withContext(["dockerfile": "", ".dockerignore": "*"]) { root in
            let context = try Context(root: root, dockerfile: "Dockerfile")
            #expect(context.dockerfile == "dockerfile")
            #expect(try travelling(context) == [".dockerignore", "dockerfile"])
        }
    }

    @Test func aMissingDockerfileIsNamedWithWhatIsNear() async throws {
        try await withContext(["Dockerfile.dev": "", "Dockerfile.dev.dockerignore": ""]) { root in
            let error = try refusal(root)
            #expect(error.code == .dockerfileMissing)
            #expect(error.message.contains("no Dockerfile in the context"))
            #expect(error.hint == "Did you mean --dockerfile Dockerfile.dev?")
        }
        try await withContext([:]) { root in
            let hint = try refusal(root).hint
            #expect(hint.contains("--dockerfile"))
        }
    }

    @Test func aDockerfileOutsideIsRefused() async throws {
        try await withContext(["in/a": "", "Dockerfile": "", "in/folder/": ""]) { root in
            symlink("../Dockerfile", root + "/in/up")
            symlink(root + "/in/a", root + "/in/absolute")
            symlink("loop", root + "/in/loop")
            for path in ["../Dockerfile", "folder/../../Dockerfile", "up", "absolute", root + "/Dockerfile"] {
                let error = try refusal(root + "/in", path)
                #expect(error.code == .dockerfileMissing)
                #expect(error.message.contains("leads out of the context"), "\(path): \(error.message)")
            }
            #expect(try refusal(root + "/in", "folder").message.contains("not a file"))
            #expect(try refusal(root + "/in", "loop").code == .dockerfileMissing)
            #expect(try refusal(root + "/in", "a/b").code == .dockerfileMissing)
            #expect(try Context(root: root + "/in", dockerfile: "folder/../a").dockerfile == "folder/../a")
        }
    }

    @Test func anIgnoreFileOutsideHoldsNothing() async throws {
        try await withContext(["in/Dockerfile": "", "in/a": "", "rules": "*"]) { root in
            symlink("../rules", root + "/in/.dockerignore")
            let context = try Context(root: root + "/in", dockerfile: "Dockerfile")
            #expect(try travelling(context) == [".dockerignore", "Dockerfile", "a"])
            #expect(try context.summary().warnings.map(\.code) == [.ignoreFileUnused])
        }
    }

    @Test func aContextThatIsNone() async throws {
        try await withContext(["file": ""]) { root in
            let missing = try refusal(root + "/nowhere")
            #expect(missing.code == .contextUnreadable && missing.message.contains("does not exist"))
            let file = try refusal(root + "/file")
            #expect(file.code == .contextUnreadable && file.message.contains("not a folder"))
        }
    }

    @Test func badPatternsNameTheFileAndTheLine() async throws {
        try await withContext(["Dockerfile": "", "Dockerfile.dockerignore": "a\n[b\n"]) { root in
            let error = try refusal(root)
            #expect(error.code == .ignoreFileInvalid)
            #expect(error.message.contains("Dockerfile.dockerignore, line 2"))
        }
    }

    @Test func anIgnoreFileMayBeLargeButNotEndless() async throws {
        try await withContext(["Dockerfile": "", ".dockerignore": String(repeating: "# a\n", count: 1 << 18)]) { root in
            _ = try Context(root: root, dockerfile: "Dockerfile")
            truncate(root + "/.dockerignore", 1 << 40)
            let error = try refusal(root)
            #expect(error.code == .ignoreFileInvalid && error.message.contains("larger than 1 MiB"))
        }
    }

    /// Whether the walk is in what travels or in what only is counted.
    @Test(arguments: ["", "folder"]) func aWalkEndsWhereItIsGivenUp(ignoreFile: String) async throws {
        let names = (0..<100).map { "folder/\($0)/a" }
        let files = Dictionary(uniqueKeysWithValues: (names + ["Dockerfile"]).map { ($0, "") })
        try await withContext(files.merging([".dockerignore": ignoreFile]) { $1 }) { root in
            let context = try Context(root: root, dockerfile: "Dockerfile")
            let selection = context.selection(try context.summary())
            var asked = 0
            #expect(throws: CancellationError.self) {
                try context.summary(isGivenUp: {
                    asked += 1
                    return asked > 20
                })
            }
            #expect(asked < 30)
            #expect(throws: CancellationError.self) {
                try context.sendTransferList(selection, isGivenUp: { true }) { _ in }
            }
        }
    }

    @Test func suspiciousFilesAreNamed() async throws {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + String(repeating: "A", count: 100)
        let certificate = "-----BEGIN CERTIFICATE-----\n" + String(repeating: "A", count: 100)
        let files = [
            "Dockerfile": "", ".env": "", "d/.env.production": "", ".env.example": "", "web.env": "", "environment": "",
            ".git/HEAD": "", "keys/id_rsa": key, "ca.pem": certificate, "tls.key": "Bag Attributes\n" + key,
            "notes.txt": key,
            "secret": key, "z/.env": "",
        ]
        try await withContext(files) { root in
            chmod(root + "/secret", 0o600)
            mkfifo(root + "/fifo", 0o644)
            let warnings = try Context(root: root, dockerfile: "Dockerfile").summary().warnings
            #expect(
                warnings.map(\.code) == [.contextEnvFile, .contextGitFolder, .contextPrivateKey, .contextSpecialFile])
            let messages = warnings.map(\.message)
            #expect(messages[0].hasSuffix(": .env, d/.env.production, web.env and 1 more"))
            #expect(messages[1].hasSuffix(": .git"))
            #expect(messages[2].hasSuffix(": keys/id_rsa, secret, tls.key"))
            #expect(messages[3].hasSuffix(": fifo"))
        }
        try await withContext(files.merging([".dockerignore": "**/.env*\n*.env\n.git\nkeys\nsecret\ntls.key"]) { $1 }) {
            root in
            let summary = try Context(root: root, dockerfile: "Dockerfile").summary()
            #expect(summary.warnings == [])
        }
    }

    /// Folders nested so deeply that no path leads to the last one.
    @Test func aPathThatNobodyCanOpen() async throws {
        try await withContext(["Dockerfile": ""]) { root in
            let name = String(repeating: "n", count: 255)
            var descriptor = open(root, O_RDONLY | O_DIRECTORY)
            for _ in 0..<17 {
                #expect(mkdirat(descriptor, name, 0o755) == 0)
                let next = openat(descriptor, name, O_RDONLY | O_DIRECTORY)
                close(descriptor)
                descriptor = next
            }
            close(descriptor)
            #expect(try refusal(root).code == .pathTooLong)
            try "n*".write(toFile: root + "/.dockerignore", atomically: false, encoding: .utf8)
            #expect(try Context(root: root, dockerfile: "Dockerfile").summary().files == 2)
            let removed = try await run(
                Command("/bin/rm", ["-rf", root + "/" + name], environment: [:]), deadline: .seconds(120))
            #expect(removed.termination.isSuccess)
        }
    }

    /// A deep tree costs one descriptor, not one for each folder.
    @Test func deepFoldersAreWalked() async throws {
        try await withContext(["Dockerfile": "", String(repeating: "d/", count: 1500) + "leaf": "x"]) { root in
            let summary = try Context(root: root, dockerfile: "Dockerfile").summary()
            #expect(summary.folders == 1500)
            #expect(summary.longestPath.count == 3004)
        }
    }
}
