import CLinux
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

    /// As nohup starts it, or a script in its background: the caller wants it to live on.
    @Test func anIgnoredSignalStaysIgnored() async {
        await #expect(processExitsWith: .success) {
            alarm(60)
            signal(SIGHUP, SIG_IGN)
            let watcher = SignalWatcher()
            kill(getpid(), SIGHUP)
            kill(getpid(), SIGTERM)
            var signals = watcher.signals.makeAsyncIterator()
            guard await signals.next() == .terminate else { exit(1) }
            var action = sigaction()
            sigaction(SIGHUP, nil, &action)
            exit(lian_ignores(&action) == 0 ? 2 : 0)
        }
    }
}
