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

    package enum Wait: Equatable, Sendable {
        case ready, woken, timedOut
    }

    /// Waits for events of poll(2) on a descriptor, until it is woken, now or before, or the deadline has come; nil:
    /// however long that takes. A descriptor that has failed or was hung up is ready, and it stays woken.
    package func wait(
        for events: Int32, on descriptor: Int32, until deadline: ContinuousClock.Instant? = nil
    ) -> Wait {
        while true {
            var polled = [
                pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(events), revents: 0),
            ]
            let left = deadline.map { $0 - .now }
            if let left, left <= .zero { return .timedOut }
            // With so few descriptors nothing but a signal makes it fail.
            guard poll(&polled, 2, left?.pollMilliseconds ?? -1) > 0 else { continue }
            return polled[0].revents != 0 ? .woken : .ready
        }
    }

    /// Sleeps until it is woken, now or before; nil: however long that takes.
    package func sleep(atMost duration: Duration?) {
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        poll(&polled, 1, duration?.pollMilliseconds ?? -1)
        settle()
    }
}
