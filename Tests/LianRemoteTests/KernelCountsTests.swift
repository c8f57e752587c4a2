import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@Suite(.serialized) struct KernelCountsTests {
    @Test func machineCountsWithoutACgroup() async throws {
        try await withRuns { runs in
            let end = try await runs.complete(runs.request("true")).end
            #expect(end.before.scope == .machine)
            #expect(end.before.oomKills != nil)
            #expect(end.kernelOOMKills != nil)
        }
    }

    @Test func version2CountsItsOwn() async throws {
        try await withTemporaryFolder { cgroup in
            let events = cgroup.appending(path: "memory.events")
            try Data("low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 9\n".utf8).write(to: events)
            let host = LocalHost(environment: ["LIAN_CGROUP": cgroup.path])
            try await withRuns(on: host) { runs in
                let end = try await runs.complete(
                    runs.request("echo 'oom_kill 5' >\"$0\"", [events.path])
                ).end
                #expect(end.before == KernelOOMCounts(scope: .cgroup2, oomKills: 3))
                #expect(end.after == KernelOOMCounts(scope: .cgroup2, oomKills: 5))
                #expect(end.kernelOOMKills == 2)
            }
        }
    }

    @Test func unreadableIsNil() async throws {
        try await withRuns(on: LocalHost(environment: ["LIAN_CGROUP": "/nonexistent/lian"])) { runs in
            let end = try await runs.complete(runs.request("true")).end
            #expect(end.before.limitHits == nil)
            #expect(end.kernelOOMKills == nil)
        }
    }

    @Test(
        .enabled("needs a writable version 1 memory cgroup") { Version1Cgroup.isUsable },
        arguments: ["/sys/fs/cgroup/memory/", "/", ""])
    func version1TellsTrueOutOfMemory(prefix: String) async throws {
        let cgroup = try Version1Cgroup(limit: 24 << 20)
        defer { cgroup.remove() }
        try await withRuns(on: LocalHost(environment: ["LIAN_CGROUP": prefix + cgroup.name])) { runs in
            let greedy =
                "echo $$ >/sys/fs/cgroup/memory/$0/cgroup.procs; head -c 200000000 /dev/zero | tail -c 100000000 | wc -c"
            let (log, end, _) = try await runs.complete(runs.request(greedy, [cgroup.name]))
            #expect(end.before.scope == .cgroup1)
            #expect((end.kernelOOMKills ?? 0) >= 1, "\(log) \(end)")
        }
    }

    @Test(.enabled("needs a writable version 1 memory cgroup") { Version1Cgroup.isUsable })
    func version1IsSampled() async throws {
        let cgroup = try Version1Cgroup(limit: 1 << 30)
        defer { cgroup.remove() }
        let burn =
            "for c in memory cpuacct; do echo $$ >/sys/fs/cgroup/$c/\(cgroup.name)/cgroup.procs; done; "
            + "exec python3 -c 'x = b\"x\" * (200 << 20)\nwhile True: pass'"
        let burner = try spawnChild(
            Command("/bin/sh", ["-c", burn], environment: ["PATH": "/usr/bin:/bin"]), streams: StandardStreams())
        defer {
            kill(burner, SIGKILL)
            waitpid(burner, nil, 0)
        }
        let sampler = UsageSampler()
        let host = LocalHost(environment: ["LIAN_CGROUP": "/sys/fs/cgroup/memory/" + cgroup.name])
        let sampling = Task { try await sampler.sample(on: host, disk: "/") }
        // One busy loop, on a machine that others use too: it takes the time that it takes.
        #expect(
            await eventually {
                let peaks = await sampler.peaks
                return (peaks.cores ?? 0) > 0.1 && (peaks.megabytes ?? 0) > 190
            })
        sampling.cancel()
        try await sampling.value
        let peaks = await sampler.peaks
        #expect((peaks.cores ?? 9) < 1.3)
        #expect((peaks.megabytes ?? 9999) < 300)
    }
}

/// A cgroup of a test's own, in the memory and the cpuacct hierarchy.
private struct Version1Cgroup {
    let name = "lian-test-\(UInt64.random(in: 0..<UInt64.max))"

    static var isUsable: Bool {
        ["memory", "cpuacct"].allSatisfy {
            FileManager.default.isWritableFile(atPath: "/sys/fs/cgroup/\($0)/cgroup.procs")
        }
    }

    private var folders: [String] { ["memory", "cpuacct"].map { "/sys/fs/cgroup/\($0)/\(name)" } }

    init(limit: Int) throws {
        for folder in folders {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        }
        try "\(limit)".write(toFile: folders[0] + "/memory.limit_in_bytes", atomically: false, encoding: .utf8)
    }

    func remove() {
        for folder in folders {
            // Its processes leave a moment after their end.
            for _ in 0..<100 where rmdir(folder) != 0 && errno == EBUSY { usleep(10_000) }
        }
    }
}
