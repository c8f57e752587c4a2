import Glibc
import LianSystem

/// The one writer of stderr: whole lines, never interleaved. What cannot be shown is lost, and the build goes on.
package final class StandardError: Sendable {
    private let descriptor: Int32
    private let lock = Lock()

    package init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    package func write(_ bytes: [UInt8]) {
        lock.withLock { try? writeAll(descriptor, bytes) }
    }

    package func line(_ text: String) {
        write(Array((text + "\n").utf8))
    }
}
