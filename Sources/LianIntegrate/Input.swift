import Glibc
import LianSystem

package enum InputFailure: Error, Equatable, Sendable {
    case tooLarge
    case tooSlow
    case unreadable(SystemError)
}

/// A context has no more bytes than this.
package let contextSizeLimit = 1 << 20

/// How often a reader that waits looks whether it was cancelled.
private let look: Duration = .milliseconds(100)

/// Reads a descriptor to its end, no further than the limit and no longer than the deadline, or until it is cancelled.
package func readContext(from descriptor: Int32, deadline: Duration = .seconds(10)) async -> Result<
    [UInt8], InputFailure
> {
    let isGivenUp = Guarded(false)
    return await withTaskCancellationHandler {
        await onOwnThread {
            let end = ContinuousClock.now + deadline
            do throws(FileReadFailure) {
                let bytes = try readToEnd(descriptor, limit: contextSizeLimit) {
                    let left = end - .now
                    return left > .zero && !isGivenUp.value ? min(left, look) : nil
                }
                return bytes.map { .success($0) } ?? .failure(.tooSlow)
            } catch .system(let error) {
                return .failure(.unreadable(error))
            } catch {
                return .failure(.tooLarge)
            }
        }
    } onCancel: {
        isGivenUp.set(true)
    }
}
