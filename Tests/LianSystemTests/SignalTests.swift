import Glibc
import LianSystem
import Testing

@Suite struct SignalTests {
    /// An early signal, from a CI system that gives up at once, must end the build as any other: once a watcher is made
    /// none is lost, however busy the machine is. A lost one lets the alarm end the process.
    @Test func aSignalRightAfterTheStartIsHeard() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<200 {
                alarm(60)
                let watcher = SignalWatcher()
                kill(getpid(), SIGHUP)
                var signals = watcher.signals.makeAsyncIterator()
                guard await signals.next() == .hangup else { exit(1) }
            }
            exit(0)
        }
    }
}
