import Foundation
import LianCLI
import LianConfiguration
import LianModel
import LianReport
import LianTestSupport
import Testing

@Suite struct ReportFileTests {
    /// What cannot be written is told before anything is spawned.
    @Test(arguments: [
        ("missing/r.html", "there is no folder "), ("file/r.html", "/file is no folder"), ("folder", "is a folder"),
        ("fifo", "is no regular file"), ("/dev/stdout", "is no regular file"), ("/dev/null/r.html", "is no folder"),
    ])
    func pathsThatAreRefused(path: String, reason: String) async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            try folder.write("file", "")
            try FileManager.default.createDirectory(
                at: folder.url.appending(path: "folder"), withIntermediateDirectories: true)
            try #require(mkfifo(folder.url.appending(path: "fifo").path, 0o600) == 0)
            let run = try await folder.run(
                [
                    "build", "--workspace", "acme", "--context", "app", "--image", "localhost:5000/acme/app:1",
                    "--ssh-key",
                    "ephemeral", "--report", path,
                ])
            #expect(run.status == 2 && run.errorCode == "invalid_argument", "\(run.output)")
            let message = run.envelope?["error"]?["message"]?.stringValue ?? ""
            #expect(message.hasPrefix("--report: ") && message.contains(reason), "\(message)")
        }
    }

    /// One that a link leads to is written where it leads.
    @Test func linksStay() async throws {
        try await withTemporaryFolder { folder in
            let real = folder.appending(path: "real.html")
            try "old".write(to: real, atomically: true, encoding: .utf8)
            let link = folder.appending(path: "link.html").path
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "real.html")
            let record = BuildRecord(begun: UTCTime(milliseconds: 0), envelope: ResultEnvelope(status: .planned))
            #expect(try ReportFile(link, from: WorkingFolder("/")).write(record) == nil)
            #expect(try String(contentsOf: real, encoding: .utf8).hasPrefix("<!DOCTYPE html>"))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "real.html")
        }
    }
}
