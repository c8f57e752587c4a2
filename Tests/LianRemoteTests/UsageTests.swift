import Foundation
import LianModel
import LianRemote
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

    @Test func machineIsSampledAndTheLoopEndsWithItsChannel() async throws {
        let host = LocalHost()
        let sampler = UsageSampler()
        let sampling = Task { try await sampler.sample(on: host) }
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
            let sampler = UsageSampler()
            let sampling = Task {
                try await sampler.sample(on: LocalHost(environment: ["LIAN_CGROUP": cgroup.path]))
            }
            #expect(await eventually { await sampler.peaks.samples >= 2 })
            sampling.cancel()
            try await sampling.value
            let peaks = await sampler.peaks
            #expect(peaks.megabytes == 600)
            #expect(peaks.cores == 0)
        }
    }

    @Test func unreadableCgroupIsSaid() async {
        await #expect(throws: RemoteFailure.cgroupUnreadable) {
            try await UsageSampler().sample(on: LocalHost(environment: ["LIAN_CGROUP": "/nonexistent"]))
        }
    }

    private func machineMegabytes() throws -> Double {
        let text = try String(contentsOfFile: "/proc/meminfo", encoding: .utf8)
        return (Double(text.split(separator: " ").dropFirst().first ?? "") ?? 0) / 1024
    }
}
