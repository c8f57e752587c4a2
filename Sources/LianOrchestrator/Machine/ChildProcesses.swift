import Glibc
import LianSystem

/// The processes that this one has started and must collect when they end.
final class ChildProcesses: Sendable {
    private let running = Monitor<[pid_t: ChildProcess]>([:])

    func add(_ pid: pid_t) -> ChildProcess {
        let child = ChildProcess(pid)
        running.update { $0[pid] = child }
        return child
    }

    func collectEnded() {
        running.update { running in
            for (pid, child) in running {
                var status: Int32 = 0
                let result = waitpid(pid, &status, WNOHANG)
                if result == pid { child.recorded.set(Termination(waitStatus: status)) }
                if result == pid || (result < 0 && errno == ECHILD) { running[pid] = nil }
            }
        }
    }

    /// False where the child has been collected: until then no other process can have its pid.
    func signal(_ signal: Int32, to child: ChildProcess) -> Bool {
        running.update { $0[child.pid] === child && kill(child.pid, signal) == 0 }
    }

    /// How the child ended; nil where it does not within that time.
    func end(of child: ChildProcess, within limit: Duration) -> Termination? {
        let deadline = ContinuousClock.now + limit
        while true {
            collectEnded()
            if let end = child.end { return end }
            guard ContinuousClock.now < deadline else { return nil }
            usleep(5000)
        }
    }
}

/// One of them. Whoever holds it learns how it ended, also after it was collected.
final class ChildProcess: Sendable {
    let pid: pid_t
    fileprivate let recorded = Guarded<Termination?>(nil)

    fileprivate init(_ pid: pid_t) { self.pid = pid }

    /// nil while it has not been collected.
    var end: Termination? { recorded.value }
}
