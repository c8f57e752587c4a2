import Glibc
import LianSystem

package enum InputFailure: Error, Equatable, Sendable {
    case tooLarge
    case tooSlow
    case unreadable(SystemError)
}

/// A context has no more bytes than this.
package let contextSizeLimit = 1 << 20

/// Reads a descriptor to its end, no further than the limit and no longer than the deadline.
package func readContext(from descriptor: Int32, deadline: Duration = .seconds(10)) async -> Result<
    [UInt8], InputFailure
> {
    await onOwnThread {
        let end = ContinuousClock.now + deadline
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let left = end - .now
            guard left > .zero else { return .failure(.tooSlow) }
            var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
            guard poll(&polled, 1, left.pollMilliseconds) != 0 else { continue }
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return .success(bytes) }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return .failure(.unreadable(SystemError("read")))
            }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= contextSizeLimit else { return .failure(.tooLarge) }
        }
    }
}
