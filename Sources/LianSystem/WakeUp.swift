import Glibc

/// Lets one thread sleep until another one wakes it. A wake that comes before the sleep ends that sleep.
package final class WakeUp: Sendable {
    private let pipe: FileDescriptor.Pipe

    package init() throws(SystemError) {
        pipe = try FileDescriptor.Pipe()
        try setNonBlocking(pipe.read.raw)
        try setNonBlocking(pipe.write.raw)
    }

    package func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes as well as one more byte in it.
        _ = write(pipe.write.raw, &byte, 1)
    }

    /// Nil: until it is woken.
    package func sleep(atMost duration: Duration?) {
        var polled = [pollfd(fd: pipe.read.raw, events: Int16(POLLIN), revents: 0)]
        poll(&polled, 1, duration?.pollMilliseconds ?? -1)
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(pipe.read.raw, &bytes, bytes.count) > 0 {}
    }
}
