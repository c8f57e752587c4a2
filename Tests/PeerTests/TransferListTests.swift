import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianContext

/// rsync, fed with the list, makes at the other end exactly what the walk handed out.
@Suite(.needsRsync) struct TransferListTests {
    private static let readByRsync = [
        "", "Dockerfile\n.dockerignore\n*", "Dockerfile\nsub/*\n*.log\n**/#*\n**/- *\n", "**/one\nempty/**\n",
        "'*\n;comment\n:merge\n- minus\n**/- minus\n trailing\nk**\n**/ *\n", "kept/*/on*\n**/c\n",
    ]
    private static let readByUsAlone = [
        "*\n!kept\n", "kept\n!kept/deep/one\n", "**/*.log\n!**/keep.log\nempty\n", "sub\n!sub/a/b/c\n",
        "**\n!**/file*\n", "+ plus\nq?\n[[]set*\n",
    ]

    @Test(arguments: readByRsync + readByUsAlone, [false, true])
    func theFarEndIsWhatTheWalkSaid(ignoreFile: String, withNamesOfSeveralLines: Bool) async throws {
        try await withTemporaryFolder { folder in
            let source = folder.appending(path: "source")
            try await makeTree(at: source, ignoreFile: ignoreFile, withNamesOfSeveralLines)
            let context = try Context(root: source.path, dockerfile: "Dockerfile")
            if !withNamesOfSeveralLines {
                let selection = context.selection(try context.summary())
                #expect(selection.rsyncReadsFolders == Self.readByRsync.contains(ignoreFile))
            }
            let destination = folder.appending(path: "destination")
            try await send(context, to: destination)

            let all = try await attributes(of: source)
            let arrived = try await attributes(of: destination)
            var said: Set<String> = []
            _ = try context.walk { said.insert(latin1($0.path)) }
            #expect(Set(arrived.keys) == said)
            for (path, attributes) in arrived { #expect(attributes == all[path], "\(path)") }
            #expect(said.contains("Dockerfile") && said.contains(".dockerignore"))
            let summary = try context.summary()
            #expect(summary.files + summary.folders == said.count)
            #expect(summary.files + summary.excludedFiles == all.values.count { !$0.hasPrefix("d") })
        }
    }

    /// rsync's own reading of the rules, or the list where it would differ: nothing more arrives, and nothing less.
    @Test func whateverTheRulesAreTheFarEndIsWhatTheWalkSaid() async throws {
        var filtered = 0
        let samples = ContextSample.all + ContextSample.generated(from: 12_000, count: 90).map(\.withoutExceptions)
        for (index, sample) in samples.enumerated() {
            try await withTemporaryFolder(inMemory: true) { folder in
                let source = folder.appending(path: "source")
                try sample.make(at: source)
                let dockerfile = sample.tree.contains("Dockerfile") ? "Dockerfile" : nil
                guard let context = try? Context(root: source.path, dockerfile: dockerfile) else { return }
                if context.selection(try context.summary()).rsyncReadsFolders { filtered += 1 }
                let destination = folder.appending(path: "destination")
                try await send(context, to: destination)
                var said: Set<String> = []
                _ = try context.walk { said.insert(latin1($0.path)) }
                #expect(try await Set(attributes(of: destination).keys) == said, "\(index): \(sample)")
            }
        }
        #expect(filtered > 40)
    }

    @Test func theRootsOwnModeStaysBehind() async throws {
        try await withTemporaryFolder { folder in
            let source = folder.appending(path: "source")
            let sample = ContextSample(tree: ["Dockerfile", "src/", "src/a", "b.log", "#c"], ignoreFile: "*.log\n")
            try sample.make(at: source)
            chmod(source.path, 0o500)
            defer { chmod(source.path, 0o700) }
            let context = try Context(root: source.path, dockerfile: "Dockerfile")
            #expect(context.selection(try context.summary()).rsyncReadsFolders)
            let destination = folder.appending(path: "destination")
            mkdir(destination.path, 0o751)
            try await send(context, to: destination)
            var status = stat()
            #expect(lstat(destination.path, &status) == 0 && status.st_mode & 0o7777 == 0o751)
            #expect(
                try await Set(attributes(of: destination).keys) == [
                    "Dockerfile", ".dockerignore", "src", "src/a", "#c",
                ])
        }
    }

    private func send(_ context: Context, to destination: URL) async throws {
        var list: [UInt8] = []
        let selection = context.selection(try context.summary())
        try context.sendTransferList(selection) { list += $0 }
        let rsync = try #require(findExecutable("rsync", path: "/usr/bin:/bin"))
        let result = try await run(
            Command(
                rsync, selection.arguments + [context.root + "/", destination.path + "/"],
                environment: ["PATH": "/usr/bin:/bin"]), input: .bytes(list), deadline: .seconds(60))
        #expect(result.termination == .exited(0), "\(result.errorText)")
    }

    /// Type, mode, size, time and link target of everything below, by path. Folders' sizes are the file system's.
    private func attributes(of folder: URL) async throws -> [String: String] {
        let found = try await run(
            Command(
                "/usr/bin/find",
                [
                    folder.path, "-mindepth", "1", "(", "-type", "d", "-printf", "%P\\0d %m %T@\\0", ")", "-o",
                    "-printf",
                    "%P\\0%y %m %s %T@ %l\\0",
                ], environment: [:]), deadline: .seconds(30))
        let fields = found.output.split(separator: 0).map { latin1($0) }
        return Dictionary(
            uniqueKeysWithValues: stride(from: 0, to: fields.count - 1, by: 2).map { (fields[$0], fields[$0 + 1]) })
    }

    /// Names that a shell, rsync's rules or a list by lines would trip over.
    private func makeTree(at root: URL, ignoreFile: String, _ withNamesOfSeveralLines: Bool) async throws {
        let script = #"""
            mkdir "$1" && cd "$1"
            printf 'FROM scratch\n' >Dockerfile
            mkdir -p kept/deep empty 'a b' "$(printf 'caf\351')" sub/a/b/c sub/a/x './-rf' '#hash' ';semi' '.' nested/empty/empty
            touch kept/deep/one kept/two 'a b/c d' "$(printf 'caf\351/\377\376')" sub/a/b/c/file sub/a/x/file sub/top ./-rf/--delete
            touch './-' '#comment' ';comment' ':merge' '!clear' '+ plus' './- minus' '$(touch pwned)' '`id`' 'star*' 'q?' \
              '#hash/inside' '[set]' 'back\slash' "quote'" 'double"' ' leading' 'trailing ' "$(printf 'tab\there')" x.log kept/keep.log './~' '...' "$(printf 'bell\a\033[0m')"
            [ "$2" = false ] || { mkdir 'new
            line'; touch 'new
            line/file' 'new
            line/x.log' 'new
            '; }
            head -c 100000 /dev/zero >large
            echo secret >private; chmod 600 private; chmod 4755 x.log; chmod 1777 empty; chmod 711 nested
            ln large hardlink
            ln -s large link; ln -s /etc/passwd absolute; ln -s ../.. outside; ln -s nowhere dangling; ln -s kept folderlink
            mkfifo fifo
            find . -print0 | xargs -0 touch -h -d '2020-02-03 04:05:06.789'
            """#
        let made = try await run(
            Command(
                "/bin/bash", ["-ec", script, "bash", root.path, "\(withNamesOfSeveralLines)"],
                environment: ["PATH": "/usr/bin:/bin"]),
            deadline: .seconds(30))
        try #require(made.termination == .exited(0), "\(made.errorText)")
        try ignoreFile.write(to: root.appending(path: ".dockerignore"), atomically: false, encoding: .utf8)
    }
}

/// A text for any bytes, each its own character.
private func latin1(_ bytes: some Sequence<UInt8>) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
}
