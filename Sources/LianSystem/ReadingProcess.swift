import Glibc
import Synchronization

/// How much a child of ours has read, as the kernel counts it: this shows the progress of a child that says nothing.
package final class ReadingProcess: Sendable {
    private struct State {
        var pid: pid_t?
        var bytes = 0
    }

    private let state = Mutex(State())

    package init() {}

    package func begin(_ pid: pid_t) {
        state.withLock { $0.pid = pid }
    }

    /// To be called when the child is gone: its number may soon be another's.
    package func end() {
        state.withLock { $0.pid = nil }
    }

    /// Counts from what it has read by now.
    package func countFromHere() -> @Sendable () -> Int {
        let before = bytes
        return { [self] in bytes - before }
    }

    private var bytes: Int {
        state.withLock { state in
            if let pid = state.pid, let read = Self.bytesRead(by: pid) { state.bytes = read }
            return state.bytes
        }
    }

    private static func bytesRead(by pid: pid_t) -> Int? {
        guard let file = fopen("/proc/\(pid)/io", "re") else { return nil }
        defer { fclose(file) }
        guard let text = try? readToEnd(fileno(file), limit: 4096) else { return nil }
        let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("rchar: ") }
        return line.flatMap { Int($0.dropFirst("rchar: ".count)) }
    }
}
