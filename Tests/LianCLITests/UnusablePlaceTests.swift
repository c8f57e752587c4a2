import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Places and variables that cannot be used are told before anything is spawned.
@Suite struct UnusablePlaceTests {
    private static let needed = [
        "build", "--workspace", "acme", "--image", "localhost:5000/acme/app:1", "--ssh-key", "ephemeral",
        "--orchestrator-url", "http://127.0.0.1:9", "--spawn-timeout", "1",
    ]

    private func withContext(_ body: (ProgramFolder, String) async throws -> Void) async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            try await body(folder, folder.url.appending(path: "app").path)
        }
    }

    private func message(_ run: ProgramRun) -> String { run.envelope?["error"]?["message"]?.stringValue ?? "" }

    /// Taken for the root, it would be sent whole.
    @Test(arguments: [
        ["--context", ".", "--dockerfile", "-"], ["--report", "r.html"], ["--secret", "id=a,src=a"],
        ["--output", "type=tar,dest=a.tar"], ["--metadata-file", "m.json"],
    ])
    func aWorkingFolderThatIsGone(relative: [String]) async throws {
        try await withContext { folder, context in
            let inGoneFolder = "mkdir gone && cd gone && rmdir ../gone && \"$0\" \"$@\" </dev/null"
            let context = relative.first == "--context" ? [] : ["--context", context]
            let run = try await folder.run(Self.needed + context + ["--dry-run"] + relative, script: inGoneFolder)
            #expect(run.status == 2 && run.errorCode == "invalid_argument", "\(run.output)")
            #expect(message(run).hasPrefix("the working folder is gone"), "\(run.output)")
            guard !context.isEmpty else { return }
            let absolute = try await folder.run(Self.needed + context + ["--dry-run"], script: inGoneFolder)
            #expect(absolute.status == 0, "\(absolute.output)")
        }
    }

    @Test func aTemporaryFolderThatIsNotThere() async throws {
        try await withContext { folder, context in
            let run = try await folder.run(
                Self.needed + ["--context", context], environment: ["TMPDIR": "/nonexistent/tmp"])
            #expect(run.status == 2 && run.errorCode == "invalid_argument", "\(run.output)")
            #expect(message(run).contains("/nonexistent/tmp"), "\(run.output)")
            #expect(run.errors.contains("TMPDIR"), "\(run.errors)")
        }
    }

    @Test func aContextWhosePathIsNoText() async throws {
        try await withContext { folder, _ in
            for script in [
                "n=$(printf 'gr\\374n'); mv app \"$n\"; \"$0\" \"$@\" --context \"$n\"",
                "cd gr*n && \"$0\" \"$@\" --context .", "ln -s gr*n link; \"$0\" \"$@\" --context link",
            ] {
                let run = try await folder.run(Self.needed + ["--dry-run"], script: script)
                #expect(run.status == 2 && run.errorCode == "context_unreadable", "\(run.output)")
                #expect(message(run).hasPrefix("--context: the path of the folder /"), "\(run.output)")
                #expect(message(run).hasSuffix(" is not UTF-8"), "\(run.output)")
            }
        }
    }

    @Test func aSecretThatIsNoText() async throws {
        try await withContext { folder, context in
            let run = try await folder.run(
                Self.needed + ["--context", context, "--dry-run", "--secret", "id=s,env=PLANTED"],
                script: "PLANTED=$(printf 'gr\\374n') \"$0\" \"$@\"")
            #expect(run.status == 2 && run.errorCode == "credential_missing", "\(run.output)")
            #expect(message(run).contains("the variable PLANTED is not set, or is not text"), "\(run.output)")
        }
    }

    @Test(arguments: ["--metadata-file", "--iidfile"])
    func aFileThatCouldNotBeWritten(flag: String) async throws {
        try await withContext { folder, context in
            try FileManager.default.createDirectory(
                at: folder.url.appending(path: "folder"), withIntermediateDirectories: true)
            for (path, reason) in [
                ("none/x", "there is no folder "), ("app/Dockerfile/x", "/app/Dockerfile is no folder"),
                ("folder", "/folder is a folder"),
            ] {
                let run = try await folder.run(Self.needed + ["--context", context, flag, path])
                #expect(run.status == 2 && run.errorCode == "invalid_argument", "\(run.output)")
                #expect(message(run).hasPrefix("\(flag): ") && message(run).contains(reason), "\(run.output)")
            }
            // A place that is written as it is, and not replaced.
            let run = try await folder.run(Self.needed + ["--context", context, "--dry-run", flag, "/dev/null"])
            #expect(run.status == 0, "\(run.output)")
        }
    }
}
