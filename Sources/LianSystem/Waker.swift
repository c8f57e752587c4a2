import CLinux
import Glibc

/// Wakes a thread that waits in poll(2): the descriptor is readable from `wake` until `settle`.
package final class Waker: Sendable {
    private let event: FileDescriptor

    package init() throws(SystemError) {
        let raw = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard raw >= 0 else { throw SystemError("eventfd") }
        event = FileDescriptor(owning: raw)
    }

    package var descriptor: Int32 { event.raw }

    package func wake() {
        eventfd_write(event.raw, 1)
    }

    package func settle() {
        var count: eventfd_t = 0
        eventfd_read(event.raw, &count)
    }

    /// Sleeps until it is woken, now or before; nil: however long that takes.
    package func sleep(atMost duration: Duration?) {
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        poll(&polled, 1, duration?.pollMilliseconds ?? -1)
        settle()
    }
}
