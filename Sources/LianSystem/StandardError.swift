import CLinux
import Glibc

/// The one writer of stderr: what it is given goes out in order, and is never interleaved. What cannot be shown is lost,
/// and the build goes on.
///
/// A reader may stop reading for good: a full pipe, a terminal under Ctrl-S. A thread of Swift's pool that waited for it
/// would hold up signals, deadlines and heartbeats, so nothing waits here but a thread of its own, and `write` only
/// queues. Whoever can make much to write waits for `drain` in between: so a reader that is slow loses nothing, and the
/// queue stays short. Only of one that took nothing for the time of `patience` is dropped what the queue does not hold;
/// a line says later how much that was.
package final class StandardError: Sendable {
    private let descriptor: Int32
    private let patience: Duration
    private let queue = Monitor(Queue())

    private struct Queue {
        /// Not taken by the writer yet.
        var waiting: [UInt8] = []
        /// All that the reader has not taken, in bytes.
        var unwritten = 0
        /// When the reader last took something, or was first given something to take.
        var moved = ContinuousClock.now
        var endsLine = true
        var lost = 0
        var describeLoss: @Sendable (Int) -> String = StandardError.loss
        var drains: [FirstResult<Void>] = []
        var hasWriter = false
        var isClosed = false
    }

    /// What is kept for a reader that takes nothing.
    private static let limit = 1 << 20
    /// The least that a pipe takes at once: with more, a reader that reads slowly could not be told from one that has
    /// stopped.
    private static let piece = 4096

    package init(descriptor: Int32 = STDERR_FILENO, patience: Duration = .seconds(5)) {
        self.descriptor = descriptor
        self.patience = patience
    }

    deinit {
        queue.update { $0.isClosed = true }
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// The terminal's size in cells; nil where it does not tell.
    package var terminalSize: (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// What a person is told where bytes are missing.
    package static func loss(_ bytes: Int) -> String {
        "\(bytes) bytes are missing here: they were not read in time"
    }

    /// The line that says how many bytes are missing, where those who read it are no persons.
    package func describeLoss(by description: @escaping @Sendable (Int) -> String) {
        queue.update { $0.describeLoss = description }
    }

    package func write(_ bytes: [UInt8]) {
        guard let last = bytes.last else { return }
        queue.update { queue in
            guard startWriter(&queue) else {
                // No thread can be had: to wait for the reader is better than to say nothing.
                try? writeAll(descriptor, bytes)
                return
            }
            if queue.unwritten == 0 { queue.moved = .now }
            guard queue.unwritten < Self.limit || queue.moved + patience > .now else {
                queue.lost += bytes.count
                return
            }
            var all = bytes
            if queue.lost > 0 {
                let told = Array("\(queue.endsLine ? "" : "\n")\(queue.describeLoss(queue.lost))\n".utf8)
                all = told + bytes
                queue.lost = 0
            }
            queue.waiting += all
            queue.unwritten += all.count
            queue.endsLine = last == UInt8(ascii: "\n")
        }
    }

    package func line(_ text: String) {
        write(Array((text + "\n").utf8))
    }

    /// Returns once the reader has no more than that many bytes to take, or has taken nothing for too long. A cancelled
    /// caller does not wait.
    package func drain(to backlog: Int = 0) async {
        while !Task.isCancelled {
            let (drained, left) = queue.update { queue -> (FirstResult<Void>, Duration) in
                let left = queue.unwritten > backlog ? queue.moved + patience - .now : .zero
                let drained = FirstResult<Void>()
                if left > .zero { queue.drains.append(drained) }
                return (drained, left)
            }
            guard left > .zero else { return }
            // Settled whenever the reader has taken something.
            _ = try? await withinLimit(left) { try await drained.value() }
        }
    }

    /// The same for a thread that may block, and for as long as it takes: until all is written.
    package func waitUntilWritten() {
        queue.wait(atMost: nil) { $0.unwritten == 0 ? true : nil }
    }

    /// The writer keeps the queue, not this object: it ends with it, when all is written.
    private func startWriter(_ queue: inout Queue) -> Bool {
        guard !queue.hasWriter else { return true }
        do throws(SystemError) {
            try startThread { [queue = self.queue, descriptor] in Self.writeOut(queue, to: descriptor) }
            queue.hasWriter = true
            return true
        } catch {
            return false
        }
    }

    private static func writeOut(_ queue: Monitor<Queue>, to descriptor: Int32) {
        while true {
            let next = queue.wait(atMost: nil) { queue -> [UInt8]? in
                if queue.waiting.isEmpty { return queue.isClosed ? [] : nil }
                defer { queue.waiting = [] }
                return queue.waiting
            }
            guard let bytes = next, !bytes.isEmpty else { return }
            var rest = bytes[...]
            while !rest.isEmpty {
                // Where a disk is full, or the reader is gone, it is lost.
                try? writeAll(descriptor, Array(rest.prefix(piece)))
                let taken = min(piece, rest.count)
                rest = rest.dropFirst(taken)
                let drains = queue.update { queue in
                    queue.unwritten -= taken
                    queue.moved = .now
                    defer { queue.drains = [] }
                    return queue.drains
                }
                for drain in drains { drain.settle(.success(())) }
            }
        }
    }
}
