import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

@testable import LianContext

@Suite struct ContextWalkTests {
    private func kept(_ walk: ((ContextEntry) throws -> Void) throws -> Void) throws -> [String] {
        var paths: [String] = []
        try walk { entry in
            // A folder comes before what is in it.
            let parent = entry.pathText.split(separator: "/").dropLast().joined(separator: "/")
            #expect(parent.isEmpty || paths.contains(parent), "\(entry.pathText)")
            paths.append(entry.pathText)
        }
        #expect(Set(paths).count == paths.count)
        return paths
    }

    /// Whichever BuildKit a runner has, what it keeps is there: the shortcuts that ask one generation for both included.
    @Test func whatAnyGenerationKeepsTravels() async throws {
        var differing = 0
        for (index, sample) in (ContextSample.all + ContextSample.generated(from: 9000, count: 30)).enumerated() {
            try await withTemporaryFolder(inMemory: true) { folder in
                let root = folder.appending(path: "context")
                try sample.make(at: root)
                guard let context = try? Context(root: root.path, dockerfile: nil) else { return }
                let current = try kept { try context.walk(asReadBy: .current, $0) }
                let older = try kept { try context.walk(asReadBy: .beforeV010, $0) }
                let travelling = try kept { _ = try context.walk($0) }
                if Set(current) != Set(older) { differing += 1 }
                #expect(Set(travelling) == Set(current + older + [".dockerignore"]), "\(index): \(sample)")
                let files = sample.tree.count { !$0.hasSuffix("/") } + 1
                let summary = try context.summary()
                #expect(summary.files + summary.excludedFiles == files, "\(index): \(sample)")
                #expect(summary.files + summary.folders == travelling.count)
                var list: [UInt8] = []
                let selection = context.selection(summary)
                try context.sendTransferList(selection) { list += $0 }
                let listed = selection.rsyncReadsFolders ? travelling.filter { !$0.contains("/") } : travelling
                #expect(list.count { $0 == 0 } == listed.count, "\(index): \(sample)")
            }
        }
        #expect(differing > 10)
    }

    @Test func theListComesInPieces() async throws {
        try await withTemporaryFolder { folder in
            try "FROM scratch".write(to: folder.appending(path: "Dockerfile"), atomically: true, encoding: .utf8)
            let name = String(repeating: "n", count: 200)
            for index in 0..<1000 {
                #expect(FileManager.default.createFile(atPath: "\(folder.path)/\(name)\(index)", contents: nil))
            }
            let context = try Context(root: folder.path, dockerfile: "Dockerfile")
            var pieces: [[UInt8]] = []
            try context.sendTransferList(context.selection(context.summary())) { pieces.append($0) }
            #expect(pieces.count > 2)
            #expect(pieces.allSatisfy { $0.last == 0 && $0.count < 1 << 17 })
            #expect(pieces.joined().count { $0 == 0 } == 1001)
            #expect(try context.summary().longestPath.count == 203)
        }
    }

    @Test func whoTakesTheListMayStopTheWalk() async throws {
        try await withTemporaryFolder { folder in
            try "FROM scratch".write(to: folder.appending(path: "Dockerfile"), atomically: true, encoding: .utf8)
            let context = try Context(root: folder.path, dockerfile: "Dockerfile")
            #expect(throws: CancellationError.self) {
                try context.sendTransferList(context.selection(context.summary())) { _ in throw CancellationError() }
            }
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything: run the tests as a user"))
    func whatCannotBeReadIsNamed() async throws {
        try await withTemporaryFolder { folder in
            let sample = ContextSample(
                tree: ["Dockerfile", "open/", "open/file", "shut/", "shut/file", "out/", "out/file"],
                ignoreFile: "out\n")
            let root = folder.appending(path: "context")
            try sample.make(at: root)
            chmod(root.path + "/out", 0)
            let context = try Context(root: root.path, dockerfile: "Dockerfile")
            #expect(try context.summary().files == 4)
            chmod(root.path + "/shut", 0)
            let folderError = try #require(throws: LianError.self) { try context.summary() }
            #expect(folderError.code == .contextUnreadable && folderError.message.contains("shut"))
            chmod(root.path + "/shut", 0o755)
            chmod(root.path + "/open/file", 0)
            let fileError = try #require(throws: LianError.self) { try context.summary() }
            #expect(fileError.code == .contextUnreadable && fileError.message.contains("open/file"))
            chmod(root.path + "/out", 0o755)
        }
    }
}
