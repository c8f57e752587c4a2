import Glibc
import LianSystem
import Synchronization

/// A terminal of a test's own: a program writes to one end, a screen that can be looked at is at the other.
package final class PseudoTerminal: Sendable {
    /// The program's end.
    package let programEnd: Int32
    private let ownEnd: Int32
    private let shown: Mutex<TerminalScreen>

    package init(columns: Int, height: Int) throws {
        ownEnd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard ownEnd >= 0 else { throw SystemError("open /dev/ptmx") }
        var number: Int32 = 0
        var locked: Int32 = 0
        guard ioctl(ownEnd, Self.unlock, &locked) == 0, ioctl(ownEnd, Self.numberOf, &number) == 0 else {
            throw SystemError("ioctl /dev/ptmx")
        }
        programEnd = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard programEnd >= 0 else { throw SystemError("open /dev/pts/\(number)") }
        shown = Mutex(TerminalScreen(columns: columns, height: height))
        tellSize(columns, height)
        // It reads until nobody has the program's end open any more.
        try startThread { [ownEnd, self] in
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = read(ownEnd, &buffer, buffer.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { break }
                shown.withLock { $0.feed(buffer[..<count]) }
            }
            Glibc.close(ownEnd)
        }
    }

    /// TIOCSPTLCK and TIOCGPTN, macros with arguments in C.
    private static let unlock: UInt = 0x4004_5431
    private static let numberOf: UInt = 0x8004_5430

    package var screen: TerminalScreen { shown.withLock { $0 } }

    package func resize(columns: Int, height: Int) {
        // The screen first: what the program draws for the new size comes after it.
        shown.withLock { $0.resize(columns: columns, height: height) }
        tellSize(columns, height)
    }

    private func tellSize(_ columns: Int, _ height: Int) {
        var size = winsize(ws_row: UInt16(height), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(programEnd, UInt(TIOCSWINSZ), &size)
    }

    /// To be called once, when its program has ended: all that it wrote is on the screen a moment later.
    package func close() {
        Glibc.close(programEnd)
    }
}
