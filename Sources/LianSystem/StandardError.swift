import CLinux
import Glibc

/// The one writer of stderr: whole lines, never interleaved. What cannot be shown is lost, and the build goes on.
package final class StandardError: Sendable {
    private let descriptor: Int32
    private let lock = Lock()

    package init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// The terminal's size in cells; nil where it does not tell.
    package var terminalSize: (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    package func write(_ bytes: [UInt8]) {
        lock.withLock { try? writeAll(descriptor, bytes) }
    }

    package func line(_ text: String) {
        write(Array((text + "\n").utf8))
    }
}
