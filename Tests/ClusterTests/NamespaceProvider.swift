import Foundation
import Glibc
import LianModel
import LianSystem

@testable import LianOrchestrator

// From here on docs/providers.md shows this file, and ConformanceTests hold both to be the same.

/// Each runner is a process namespace of this machine with an sshd in it, at an address of loopback of its own.
struct NamespaceProvider: RunnerProvider {
    let name = "namespace"
    let engine = "none"
    let platform = "linux/amd64"
    /// The id by which this orchestrator marks what it makes.
    let orchestrator: String
    /// Of the machines' files.
    let folder: String

    func refusal(of request: SpawnRequest) -> String? {
        request.region.map { "region '\($0)' is not served here: there is this machine alone" }
    }

    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        let id = order.runnerID
        // An earlier try may have made a machine of which nobody has heard.
        _ = try destroy(id)
        let hostKey = try HostKey.make()
        let address = "127.\(Int.random(in: 64..<250)).\(Int.random(in: 0..<250)).\(Int.random(in: 1..<250))"
        try asProviderError { try start(order, at: address, hostKey) }
        let end = ContinuousClock.now + .seconds(60)
        while !answersAsSSH(host: address, port: 22, within: .seconds(2)) {
            guard isWanted() else { throw ProviderError.notWanted }
            guard ContinuousClock.now < end, try isAlive(id) else { throw ProviderError("no sshd answers in \(id)") }
            usleep(20_000)
        }
        return RunnerPlace(
            host: address, port: 22, user: "root", hostKeys: [hostKey.publicKey.line], workDir: "\(home(of: id))/work",
            buildkitAddress: nil)
    }

    /// Whatever is made carries both marks from its first moment on: here as arguments of the process.
    private func start(_ order: RunnerOrder, at address: String, _ hostKey: HostKey) throws {
        let home = home(of: order.runnerID)
        for folder in [home, "\(home)/work", "/run/sshd"] { try makeFolder(folder) }
        try writeFile("\(home)/host_key", hostKey.privateText + "\n")
        try writeFile("\(home)/callers_key", order.key.line + "\n")
        let settings = [
            "ListenAddress \(address):22", "HostKey \(home)/host_key", "AuthorizedKeysFile \(home)/callers_key",
            "PidFile none", "StrictModes no", SSHRestrictions.lines(user: "root"),
        ]
        try writeFile("\(home)/sshd_config", settings.joined(separator: "\n") + "\n")
        let command = Command(
            "/usr/bin/setsid",
            [
                "--fork", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                "exec /usr/sbin/sshd -D -f \"$0\"", "\(home)/sshd_config", "lian-orchestrator=\(orchestrator)",
                "lian-runner=\(order.runnerID)",
            ], environment: ["PATH": "/usr/bin:/bin"])
        waitpid(try spawnChild(command, streams: StandardStreams()), nil, 0)
    }

    /// Returns once nothing with the marks is listed.
    func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        let end = ContinuousClock.now + .seconds(50)
        while case let left = try processes(of: runnerID), !left.isEmpty {
            guard ContinuousClock.now < end else { throw ProviderError("\(runnerID) does not end") }
            for pid in left { kill(pid, SIGKILL) }
            usleep(20_000)
        }
        try? FileManager.default.removeItem(atPath: home(of: runnerID))
        return .complete
    }

    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool { try !processes(of: runnerID).isEmpty }

    func existing() throws(ProviderError) -> [String] { Marks.runners(of: orchestrator, in: try all().map(\.marks)) }

    private func processes(of runnerID: String) throws(ProviderError) -> [pid_t] {
        let marks = Marks(orchestrator: orchestrator, runner: runnerID)
        return try all().filter { $0.marks == marks }.map(\.pid)
    }

    /// What carries marks, whoever made it.
    private func all() throws(ProviderError) -> [(pid: pid_t, marks: Marks)] {
        try asProviderError { try folderEntries("/proc") }.compactMap { entry in
            guard let pid = pid_t(entry), let line = try? readFile("/proc/\(pid)/cmdline", limit: 1 << 16) else {
                return nil
            }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self).split(separator: "=") }
            func value(of name: String) -> String? {
                words.first { $0.count == 2 && $0[0] == name }.map { String($0[1]) }
            }
            guard let orchestrator = value(of: "lian-orchestrator"), let runner = value(of: "lian-runner") else {
                return nil
            }
            return (pid, Marks(orchestrator: orchestrator, runner: runner))
        }
    }

    private func home(of runnerID: String) -> String { "\(folder)/\(runnerID)" }
}
