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
}
