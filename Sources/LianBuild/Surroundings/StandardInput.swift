import Glibc
import LianModel
import LianSystem

/// Where a Dockerfile comes from that is given as `-`.
package struct StandardInput: Sendable {
    private let descriptor: Int32

    /// As much as is read of any text that a person writes.
    private static let limit = 1 << 20
    private static let look: Duration = .milliseconds(100)

    package init(_ descriptor: Int32 = STDIN_FILENO) {
        self.descriptor = descriptor
    }

    /// Everything up to its end. Whoever is cancelled does not wait for it.
    func read() async throws -> [UInt8] {
        try await onOwnThread { [descriptor] isGivenUp in
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            while !isGivenUp() {
                var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
                guard poll(&polled, 1, Self.look.pollMilliseconds) != 0 else { continue }
                let count = Glibc.read(descriptor, &chunk, chunk.count)
                if count == 0 { return bytes }
                guard count > 0 else {
                    if errno == EINTR || errno == EAGAIN { continue }
                    throw Self.unreadable("\(SystemError("read").reason)")
                }
                bytes += chunk[..<count]
                guard bytes.count <= Self.limit else { throw Self.unreadable("it has more than 1 MiB") }
            }
            throw CancellationError()
        }
    }

    private static func unreadable(_ reason: String) -> LianError {
        LianError(
            .dockerfileMissing, .resolve, "the Dockerfile cannot be read from stdin: \(reason)",
            hint: "--dockerfile - reads it from stdin to its end: lian-build build --dockerfile - … <Dockerfile")
    }
}
