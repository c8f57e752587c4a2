import Foundation
import LianTestSupport
import Testing

extension Faults {
    /// Row 70: the socket takes less than is sent, and then much less.
    @Suite struct SlowLineTests {
        @Test("row 70: the line becomes slow while the context is sent: it arrives, and a signal is heard meanwhile")
        func slow() async throws {
            try await withRunner(waiting: true, queue: 700 << 10) { scene, _, proxy in
                scene.allow { $0.wallTime = .seconds(600) }
                let context = try scene.context()
                for isEnded in [false, true] {
                    try scene.makeNoise(in: context)
                    proxy.setLimit(2 << 20)
                    let start = proxy.bytesToServer
                    proxy.setLimit(150_000, afterBytesToServer: 3 << 20)
                    let running = try scene.start(context: context)
                    // Longer than all that was sent ahead takes to arrive: less is sent ahead from then on.
                    let goesOn = await eventually(within: .seconds(240)) {
                        proxy.bytesToServer > start + 3 << 20 + 1_200_000
                    }
                    try #require(goesOn, "it stands still: \(running.errorText)")
                    if isEnded { running.signal(SIGINT) } else { proxy.setLimit(2 << 20) }
                    let build = try await scene.finish(running)
                    #expect(build.status == (isEnded ? 130 : 0) && build.isRunnerDestroyed == true, "\(build.story)")
                }
            }
        }
    }
}
