import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@Suite(.serialized) struct SecretsTests {
    @Test func secretsLieInMemoryAndGoWithTheRun() async throws {
        let secret = "hush-\(UInt64.random(in: 0..<UInt64.max))"
        var noise = [UInt8](repeating: 0, count: 100_000)
        for index in noise.indices { noise[index] = UInt8.random(in: 0...255) }
        try await withRuns { runs in
            var request = runs.request(
                "stat -L -c '%a %U' secrets secrets/token secrets/noise secrets/empty; stat -f -L -c %T secrets; "
                    + "cat secrets/noise >result; echo ready; sleep 600")
            request.secrets = [
                SecretFile(name: "token", bytes: Array(secret.utf8) + [0, 10]),
                SecretFile(name: "noise", bytes: noise), SecretFile(name: "empty", bytes: []),
            ]
            // Looked for from before the start to after the end.
            let seen = Mutex<[Int32]>([])
            let watcher = Task.detached {
                while !Task.isCancelled {
                    let holders = processes(holding: secret) + processes(holding: secret, in: "environ")
                    seen.withLock { $0 += holders }
                }
            }
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            let log = String(decoding: try await run.until("ready"), as: UTF8.self)
            let user = NSUserName()
            #expect(log == "700 \(user)\n600 \(user)\n600 \(user)\n600 \(user)\ntmpfs\nready\n")
            let store = try FileManager.default.destinationOfSymbolicLink(atPath: runs.folder + "/secrets")
            #expect(FileManager.default.contents(atPath: store + "/token") == Data(Array(secret.utf8) + [0, 10]))
            try await run.cancel()
            _ = try await run.toItsEnd()
            #expect(!FileManager.default.fileExists(atPath: store))
            #expect(try await run.result() == noise)
            try await run.remove()
            watcher.cancel()
            #expect(seen.withLock { $0 } == [])
        }
    }

    /// What an orchestrator gives its runner goes with the runner, also where nobody is left to clear it away.
    @Test func theRunnersOwnMemoryIsTakenFirst() async throws {
        try await withTemporaryFolder(inMemory: true) { own in
            let host = LocalHost(environment: ["XDG_RUNTIME_DIR": own.path])
            try await withTemporaryFolder { folder in
                var request = RunRequest(folder: folder.path + "/run", arguments: ["readlink", "secrets"])
                request.secrets = [SecretFile(name: "token", bytes: [1])]
                let run = RemoteRun(request)
                try await run.connect(to: host)
                let log = String(decoding: try await run.until("\n"), as: UTF8.self)
                #expect(log.hasPrefix(own.path + "/lian-"))
                _ = try await run.toItsEnd()
                try await run.remove()
                #expect(try FileManager.default.contentsOfDirectory(atPath: own.path).isEmpty)
            }
        }
    }

    @Test func failedStartLeavesNoSecret() async throws {
        try await withRuns { runs in
            let before = try stores()
            var request = RunRequest(folder: runs.folder, arguments: ["no-such-program"])
            request.secrets = [SecretFile(name: "token", bytes: Array("hush".utf8))]
            await #expect(throws: RemoteFailure.self) { try await RemoteRun(request).connect(to: runs.host) }
            #expect(await eventually { (try? stores().subtracting(before).isEmpty) == true })
        }
    }

    /// As on a full disk.
    @Test func aStoreThatCannotBeLinkedIsNotLeft() async throws {
        try await withFailingStart("ln", "exit 1") { request, host in
            await #expect(throws: RemoteFailure.folderUnusable(request.folder)) {
                try await RemoteRun(request).connect(to: host)
            }
        }
    }

    /// As for want of memory: nobody follows the run yet who would see to what it leaves. The first program comes when the
    /// store is not linked yet, the other ones when it is made and when the secrets were read.
    @Test(arguments: ["mktemp", "mkdir", "mkfifo"])
    func aSupervisorThatIsKilledBeforeItsRunBeginsLeavesNoSecret(after name: String) async throws {
        // The run's own folder is made by another shell.
        let script = "/usr/bin/\(name) \"$@\"; case \"$*\" in */run) ;; *) kill -KILL $PPID ;; esac"
        try await withFailingStart(name, script) { request, host in
            await #expect(throws: RemoteFailure.self) { try await RemoteRun(request).connect(to: host) }
            #expect(!FileManager.default.fileExists(atPath: request.folder))
        }
    }

    /// The request of a run with a secret on a host where this script stands for a program, so that the run never begins.
    /// Nothing of it is left in memory.
    private func withFailingStart(
        _ name: String, _ script: String, _ body: (RunRequest, LocalHost) async throws -> Void
    ) async throws {
        try await withTemporaryFolder(inMemory: true) { own in
            try await withTemporaryFolder { folder in
                try writeScript(script, to: folder.appending(path: name))
                let host = LocalHost(environment: [
                    "XDG_RUNTIME_DIR": own.path, "PATH": "\(folder.path):/usr/bin:/bin",
                ])
                var request = RunRequest(folder: folder.path + "/run", arguments: ["true"])
                request.secrets = [SecretFile(name: "token", bytes: [1])]
                try await body(request, host)
                #expect(await eventually { (try? FileManager.default.contentsOfDirectory(atPath: own.path)) == [] })
            }
        }
    }

    @Test func noMemoryNoSecret() async throws {
        try #require(Busybox.isUsable, "needs root and unshare")
        try await withTemporaryFolder { disk in
            let hide =
                "/usr/bin/mount --bind '\(disk.path)' /dev/shm && { [ ! -d /run/user/0 ] || "
                + "/usr/bin/mount --bind '\(disk.path)' /run/user/0; } && exec \"$@\""
            let host = LocalHost(launcher: ["/usr/bin/unshare", "-m", "/bin/sh", "-c", hide, "sh"])
            try await withRuns(on: host) { runs in
                var request = runs.request("true")
                request.secrets = [SecretFile(name: "token", bytes: Array("hush".utf8))]
                await #expect(throws: RemoteFailure.noSecretStore) { try await RemoteRun(request).connect(to: host) }
                let onDisk = try FileManager.default.contentsOfDirectory(atPath: disk.path)
                #expect(onDisk.isEmpty)
                #expect(await eventually { !runs.exists("there/run-1") })
            }
        }
    }

    /// What is no wrapper may repeat what it was sent; an error that quotes it shows no secret of it.
    @Test func whatAnotherShellSaysOfThemIsMasked() async throws {
        let secret = Array("hush-".utf8) + [0xFF] + Array(String(repeating: "-secret", count: 900).utf8)
        let host = LocalHost(launcher: ["/bin/sh", "-c", "{ printf 'not found: '; grep -a -m1 hush; } >&2", "sh"])
        try await withRuns(on: host) { runs in
            let request = RunRequest(
                folder: runs.folder, arguments: ["true"],
                secrets: [SecretFile(name: "token", bytes: secret + Array("\n".utf8))], hiding: SecretMask([secret]))
            await #expect(throws: RemoteFailure.connectionLost("not found: ***\n")) {
                try await RemoteRun(request).connect(to: host)
            }
        }
    }

    private func stores() throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: "/dev/shm").filter { $0.hasPrefix("lian-") })
    }
}
