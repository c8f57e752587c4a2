import LianSystem
import Testing

@Suite struct TimeLimitTests {
    private struct Failed: Error {}

    @Test func valueInTimeIsGiven() async throws {
        #expect(try await withinLimit(.seconds(600)) { 7 } == 7)
        await #expect(throws: Failed.self) { try await withinLimit(.seconds(600)) { throw Failed() } }
    }

    @Test func bodyThatHangsIsLeftBehind() async throws {
        let hang = AsyncStream<Never>.makeStream()
        let value: Int? = try await withinLimit(.milliseconds(50)) {
            // Deaf to cancellation.
            await withCheckedContinuation { (continuation: CheckedContinuation<Int, Never>) in
                hang.continuation.onTermination = { _ in continuation.resume(returning: 1) }
            }
        }
        #expect(value == nil)
        hang.continuation.finish()
    }

    @Test func cancelledCallerWaitsForNothing() async throws {
        let task = Task { try await withinLimit(.seconds(600)) { try await Task.sleep(for: .seconds(600)) } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func bodyIsCancelledWhenItsTimeIsUp() async {
        let isCut = await cancelling(after: {}) { (try? await Task.sleep(for: .seconds(600))) == nil }
        #expect(isCut)
        let value = await cancelling(after: { try? await Task.sleep(for: .seconds(600)) }) { Task.isCancelled ? 0 : 7 }
        #expect(value == 7)
    }
}
