import Glibc
import LianContext
import LianSystem

/// How the walk that feeds rsync went: it runs beside rsync, on a thread of its own.
final class WalkOutcome: Sendable {
    private let failure = Guarded<(any Error & Sendable)?>(nil)
    private let isGivenUp = Guarded(false)

    /// From here on nobody reads the list.
    func giveUp() { isGivenUp.set(true) }

    func run(_ transfer: Resolution.Transfer, into descriptor: Int32) {
        do {
            try transfer.context.sendTransferList(transfer.selection, isGivenUp: { self.isGivenUp.value }) {
                try writeAll(descriptor, $0)
            }
        } catch let error as SystemError where error.code == EPIPE {
            // rsync is gone, and says why itself.
        } catch is CancellationError {
            // Given up: rsync is gone here too.
        } catch {
            failure.set(error)
        }
    }

    func check() throws {
        if let error = failure.value { throw error }
    }
}
