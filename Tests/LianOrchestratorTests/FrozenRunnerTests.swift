import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Where groups can be frozen: version 1 has a hierarchy for that, in version 2 every group can be.
private let versionOne = writableHierarchy("/sys/fs/cgroup/freezer")
private let versionTwo = writableHierarchy("/sys/fs/cgroup/unified") ?? writableHierarchy("/sys/fs/cgroup")

private func writableHierarchy(_ folder: String) -> String? {
    access("\(folder)/cgroup.procs", W_OK) == 0 ? folder : nil
}

/// What stands frozen in a group of version 1 hears no signal, SIGKILL neither. In version 2 SIGKILL ends it.
@Suite struct FrozenRunnerTests {
    enum Place: CaseIterable {
        case belowItsGroup, elsewhere, allOfIt, versionTwo

        static let here = allCases.filter { $0.hierarchy != nil }

        var hierarchy: String? { self == .versionTwo ? LianOrchestratorTests.versionTwo : versionOne }
    }

    /// A group of the test's own, thawed and removed afterwards.
    private func withGroup(_ folder: String, _ body: () async throws -> Void) async throws {
        try makeFolder(folder)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        // It went with its runner where all went well.
        try? freeze(folder, false)
        #expect(await eventually { rmdir(folder) == 0 || errno == ENOENT })
        try result.get()
    }

    private func freeze(_ group: String, _ isFrozen: Bool) throws {
        if try fileExists("\(group)/freezer.state") {
            try writeFile("\(group)/freezer.state", isFrozen ? "FROZEN" : "THAWED")
        } else {
            try writeFile("\(group)/cgroup.freeze", isFrozen ? "1" : "0")
        }
    }

    private func isFrozen(_ group: String) -> Bool {
        (try? readText("\(group)/freezer.state")) == "FROZEN\n"
            || (try? readText("\(group)/cgroup.events"))?.contains("frozen 1") == true
    }

    @Test(
        "row 78: a frozen runner is destroyed", .enabled(if: !Place.here.isEmpty, "no group can be frozen here"),
        arguments: Place.here)
    func frozen(_ place: Place) async throws {
        try await withIdleRunners { orchestrator, caller in
            let runner = try await orchestrator.readyRunner(caller.order())
            let hierarchy = try #require(place.hierarchy)
            let path =
                place == .elsewhere
                ? "/lian-test-\(UUID().uuidString)" : "/lian-orchestrator/\(runner.id)/frozen"
            let group = hierarchy + path
            try await withGroup(group) {
                let pid = try #require(orchestrator.process("sshd", of: runner.id))
                try writeFile("\(group)/cgroup.procs", "\(pid)")
                try freeze(place == .allOfIt ? parentFolder(group) : group, true)
                #expect(await eventually { isFrozen(group) })
                let answer = try await orchestrator.destroy(runner.id)
                #expect(answer.status == 200, "\(answer.json.encoded())")
                #expect(try await orchestrator.remainsInTheEnd().isEmpty)
            }
        }
    }

    /// The group above is another's, and stays frozen: here is a process that nothing can end.
    @Test(
        "row 78: what cannot be ended keeps nobody: a stop says so, and a sweep and a start hear a signal",
        .enabled(if: versionOne != nil, "no freezer of version 1 is here to be used"))
    func unendable() async throws {
        try await withIdleRunners { orchestrator, caller in
            let runner = try await orchestrator.readyRunner(caller.order())
            let outer = "\(try #require(versionOne))/lian-test-\(UUID().uuidString)"
            let inner = "\(outer)/inner"
            try await withGroup(outer) {
                try await withGroup(inner) {
                    let pid = try #require(orchestrator.process("sshd", of: runner.id))
                    try writeFile("\(inner)/cgroup.procs", "\(pid)")
                    try freeze(outer, true)
                    #expect(await eventually { isFrozen(inner) })
                    #expect(await orchestrator.stop() == .exited(1))
                    #expect(try !orchestrator.remains().isEmpty)
                    for arguments in [["--sweep"], ["--listen", "127.0.0.1:0"]] {
                        let log = orchestrator.folder.appending(path: "log\(arguments.count)")
                        let process = try RunningProcess(orchestrator.command(arguments), outputFile: log)
                        defer { process.stop() }
                        #expect(await eventually { process.output.contains("\"event\":\"removing\"") })
                        process.signal(SIGTERM)
                        #expect(await process.ended() == .exited(143), "\(process.output)")
                        // It did not go on until it gave up by itself.
                        #expect(!process.output.contains("\"event\":\"teardown_failed\""), "\(process.output)")
                    }
                    try freeze(outer, false)
                    let swept = try await orchestrator.sweep()
                    #expect(swept.termination == .exited(0), "\(swept.errorText)")
                    #expect(try await orchestrator.remainsInTheEnd().isEmpty)
                }
            }
        }
    }
}
