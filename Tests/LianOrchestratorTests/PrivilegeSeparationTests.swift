import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The folder /run/sshd, which every sshd of root's wants and which Debian's ssh service takes away when it stops. The
/// orchestrator has a /run of its own here.
@Suite(.needsRoot) struct PrivilegeSeparationTests {
    @Test("row 79: /run/sshd is made again while runners need it, and where it cannot be, health tells")
    func theFolderIsTakenAway() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            let ownRun = OwnMounts.launcher(preparation: "mount -t tmpfs -o mode=755 none /run")
            try await withOrchestrator(launcher: ownRun) { orchestrator in
                let pid = try #require(orchestrator.pid)
                let place = "/proc/\(pid)/root/run/sshd"
                let runner = try await orchestrator.readyRunner(caller.order())
                func health() async throws -> JSONValue? {
                    let answer = try await orchestrator.request("GET", "/healthz")
                    #expect(answer.status == 200)
                    return answer.json["data"]
                }
                #expect(try await health()?["status"] == "ok")

                try FileManager.default.removeItem(atPath: place)
                #expect(await eventually { FileManager.default.fileExists(atPath: place) })
                #expect(try await caller.ssh(runner, "echo in").outputText == "in\n")
                try FileManager.default.removeItem(atPath: place)
                #expect(try await health()?["status"] == "ok")
                #expect(FileManager.default.fileExists(atPath: place))

                // Something else in its place, which is not the orchestrator's to remove.
                try await OwnMounts.run(
                    ": > /run/f; until rmdir /run/sshd 2>/dev/null; ln -T /run/f /run/sshd 2>/dev/null; do :; done",
                    besides: pid)
                let degraded = try await health()
                #expect(degraded?["status"] == "degraded")
                #expect(degraded?["reason"]?.stringValue?.contains("/run/sshd") == true)
                #expect(try await caller.ssh(runner, "true").termination == .exited(255))
                let refused = try await orchestrator.spawn(caller.order(), key: "key-degraded-1")
                let id = refused.json["data"]?["runner_id"]?.stringValue ?? ""
                let failed = try await orchestrator.request("GET", "/api/v1/runners/\(id)?wait=30").json["data"]
                #expect(failed?["state"] == "failed")
                #expect(failed?["reason"]?.stringValue?.contains("/run/sshd") == true)
                #expect(await eventually { orchestrator.log.contains("\"event\":\"degraded\"") })

                try await OwnMounts.run("rm /run/sshd; mkdir -p /run/sshd; chmod 777 /run/sshd", besides: pid)
                #expect(try await health()?["status"] == "degraded")
                try await OwnMounts.run("chmod 755 /run/sshd", besides: pid)
                #expect(try await health()?["status"] == "ok")
                #expect(try await caller.ssh(runner, "echo again").outputText == "again\n")
            }
        }
    }
}
