import Foundation
import LianSystem
import LianTestSupport
import Testing

@Suite struct ThreadTests {
    private struct Failed: Error {}

    @Test func whatTheBodyGivesIsGiven() async throws {
        #expect(try await onOwnThread { _ in 7 } == 7)
        await #expect(throws: Failed.self) { try await onOwnThread { _ -> Int in throw Failed() } }
    }

    /// A body that is stuck in a call to a dead disk hears nothing.
    @Test func aCancelledCallerWaitsForNoBody() async throws {
        let release = DispatchSemaphore(value: 0)
        let wasGivenUp = FirstResult<Bool>()
        let task = Task {
            try await onOwnThread { isGivenUp in
                release.wait()
                wasGivenUp.settle(.success(isGivenUp()))
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        release.signal()
        #expect(try await wasGivenUp.value())
    }
}
