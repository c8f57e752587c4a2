import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@Suite(.serialized) struct UsageTests {
    @Test func peaksAreMeansOverASecond() {
        var peaks = UsagePeaks()
        for line in ["10.00 1000000 1048576", "11.00 3000000 3145728", "garbage", "12.00 3500000 2097152", "", "1 2"] {
            peaks.add(line: line)
        }
        #expect(peaks.cores == 2)
        #expect(peaks.megabytes == 3)
        #expect(peaks.samples == 3)
        // After a gap the counters may have started anew.
        peaks.interrupt()
        peaks.add(line: "20.00 99000000 0")
        #expect(peaks.cores == 2)
        peaks.add(line: "20.01 99900000 0")
        #expect(peaks.cores == 2)
        #expect(peaks.samples == 5)
        #expect(UsagePeaks().cores == nil)
    }

    @Test(arguments: [
        ("1 2 3 0 100", true), ("1 2 3 99 10000", true), ("1 2 3 100 10000", false), ("1 2 3", false),
        ("1 2 3 0 0", false), ("1 2 3 0", false), ("1 2 3 - -", false),
    ])
    func aDiskWithoutRoomIsSeen(line: String, expected: Bool) {
        var peaks = UsagePeaks()
        peaks.add(line: line)
        #expect(peaks.diskWasFull == expected)
    }

    @Test func theDiskOfTheFolderIsLookedAt() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder.appending(path: "disk").path) { disk in
                let sampler = UsageSampler()
                let sampling = Task { try await sampler.sample(on: LocalHost(), disk: disk) }
                defer { sampling.cancel() }
                #expect(await eventually { await sampler.peaks.samples > 0 })
                #expect(await !sampler.peaks.diskWasFull)
                fill(disk)
                #expect(await eventually { await sampler.peaks.diskWasFull })
            }
        }
    }

    /// A run that is over before there is a second sample.
    @Test(arguments: [(0.25, 0.5), (2, 0.25)])
    func aRunsTwoEndsAreEnough(seconds: Double, cores: Double) async throws {
        var peaks = UsagePeaks()
        let start = try #require(UsageReading(words: ["10.00", "1000000", "1048576"]))
        let end = try #require(UsageReading(words: [String(10 + seconds), "1500000", "2097152"]))
        peaks.add(from: start, to: end)
        #expect(peaks.cores == cores && peaks.megabytes == 2 && peaks.samples == 2)
    }

    @Test func aRunTellsWhatTheRunnerUsed() async throws {
        try await withTemporaryFolder { cgroup in
            func write(_ microseconds: Int, _ bytes: Int) throws {
                for (name, text) in [
                    "memory.events": "oom_kill 0\n", "memory.current": "\(bytes)\n", "memory.stat": "inactive_file 0\n",
                    "cpu.stat": "usage_usec \(microseconds)\n",
                ] {
                    try Data(text.utf8).write(to: cgroup.appending(path: name))
                }
            }
            try write(5_000_000, 100 << 20)
            try await withRuns(on: LocalHost(environment: ["LIAN_CGROUP": cgroup.path])) { runs in
                let script = "cd \"$0\" && echo usage_usec 5300000 >cpu.stat && echo 209715200 >memory.current"
                let end = try await runs.complete(runs.request(script, [cgroup.path])).end
                let sampler = UsageSampler()
                await sampler.add(end)
                let peaks = await sampler.peaks
                #expect(peaks.megabytes == 200 && peaks.samples == 2)
                // On a busy machine it may have taken longer than a second.
                #expect((peaks.cores ?? 0) > 0 && (peaks.cores ?? 1) <= 0.3 + 0.001)
            }
            // A cgroup that cannot be read costs the measure, not the run.
            try await withRuns(on: LocalHost(environment: ["LIAN_CGROUP": "/nonexistent"])) { runs in
                let end = try await runs.complete(runs.request("exit 3")).end
                #expect(end.exitStatus == 3 && end.usageAtStart == nil && end.usageAtEnd == nil)
            }
        }
    }

    @Test func machineIsSampledAndTheLoopEndsWithItsChannel() async throws {
        let host = LocalHost()
        let sampler = UsageSampler()
        let sampling = Task { try await sampler.sample(on: host, disk: "/") }
        #expect(await eventually { await sampler.peaks.samples >= 2 })
        sampling.cancel()
        try await sampling.value
        let pid = try #require(host.pids.first)
        #expect(await eventually { kill(pid, 0) != 0 })
        let peaks = await sampler.peaks
        let total = try machineMegabytes()
        #expect((peaks.megabytes ?? 0) > 10)
        #expect((peaks.megabytes ?? .infinity) < total)
        #expect((peaks.cores ?? -1) >= 0)
        #expect((peaks.cores ?? .infinity) < Double(ProcessInfo.processInfo.activeProcessorCount) * 1.2)
    }

    /// A hundredth of a core is the most that looking may cost.
    @Test func lookingCostsNextToNothing() async throws {
        let host = LocalHost()
        let sampler = UsageSampler()
        let sampling = Task { try await sampler.sample(on: host, disk: "/") }
        #expect(await eventually { await sampler.peaks.samples >= 1 })
        let pid = try #require(host.pids.first)
        let before = try processorTicks(of: pid)
        #expect(await eventually { await sampler.peaks.samples >= 6 })
        let used = try processorTicks(of: pid) - before
        sampling.cancel()
        try await sampling.value
        // A tick is a hundredth of a second: five seconds, of which one hundredth is five ticks.
        #expect(used <= 5, "\(used) ticks")
    }

    /// Of a process and of all its children that have ended.
    private func processorTicks(of pid: pid_t) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = text[(try #require(text.lastIndex(of: ")")))...].split(separator: " ")
        return fields[12..<16].compactMap { Int($0) }.reduce(0, +)
    }

    @Test(arguments: [
        "3 nan nan", "3 inf 5", "-1 2 3", "3 -1 5", "3 4 -5", "1e400 4 5", "1e300 4 5", "3 0x10 5", "3 4", "",
    ])
    func whatIsNoCountCountsForNothing(line: String) {
        var peaks = UsagePeaks()
        #expect(peaks.add(line: line) == nil && peaks == UsagePeaks())
    }

    @Test func version2CountsWithoutThePageCache() async throws {
        try await withTemporaryFolder { cgroup in
            for (name, text) in [
                "memory.events": "oom_kill 0\n", "memory.current": "734003200\n",
                "memory.stat":
                    "anon 1\nfile 9\ninactive_anon 5\nactive_anon 6\ninactive_file 104857600\nactive_file 7\n",
                "cpu.stat": "usage_usec 5000000\nuser_usec 1\nsystem_usec 2\n",
            ] {
                try Data(text.utf8).write(to: cgroup.appending(path: name))
            }
            let shown = Guarded<UsageSample?>(nil)
            let sampler = UsageSampler { shown.set($0) }
            let sampling = Task {
                try await sampler.sample(on: LocalHost(environment: ["LIAN_CGROUP": cgroup.path]), disk: "/")
            }
            #expect(await eventually { await sampler.peaks.samples >= 2 })
            sampling.cancel()
            try await sampling.value
            let peaks = await sampler.peaks
            #expect(peaks.megabytes == 600)
            #expect(peaks.cores == 0)
            #expect(shown.value == UsageSample(cores: 0, megabytes: 600))
        }
    }

    @Test func unreadableCgroupIsSaid() async {
        await #expect(throws: RemoteFailure.cgroupUnreadable) {
            try await UsageSampler().sample(on: LocalHost(environment: ["LIAN_CGROUP": "/nonexistent"]), disk: "/")
        }
    }

    private func machineMegabytes() throws -> Double {
        let text = try String(contentsOfFile: "/proc/meminfo", encoding: .utf8)
        return (Double(text.split(separator: " ").dropFirst().first ?? "") ?? 0) / 1024
    }
}
