import LianSystem
import Testing

@Suite struct MonitorTests {
    @Test func aWaitEndsWithTheChangeThatItWaitsFor() async {
        let monitor = Monitor(0)
        let waiting = Task {
            await onOwnThread { monitor.wait(atMost: .seconds(20)) { $0 >= 2 ? $0 : nil } }
        }
        for _ in 0..<3 { monitor.update { $0 += 1 } }
        #expect((await waiting.value ?? 0) >= 2)
        #expect(monitor.current == 3)
    }

    @Test func aWaitEndsWithItsTime() {
        let start = ContinuousClock.now
        #expect(Monitor(0).wait(atMost: .milliseconds(50)) { $0 > 0 ? true : nil } == nil)
        let took = ContinuousClock.now - start
        #expect(took >= .milliseconds(50))
    }

    @Test func updatesDoNotMix() async {
        let monitor = Monitor(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { await onOwnThread { for _ in 0..<1000 { monitor.update { $0 += 1 } } } }
            }
        }
        #expect(monitor.current == 8000)
    }
}
