import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

@Suite struct GreetingsTests {
    /// Who is silent several times in a row is dead, and not before it was silent for as long as that takes.
    @Test(arguments: [Duration.zero, .seconds(3600)]) func whoIsSilentIsDead(silence: Duration) async throws {
        let asked = Guarded(0)
        let listener = try LoopbackListener { _, _ in asked.update { $0 += 1 } }
        defer { listener.stop() }
        let greetings = Greetings(pause: .zero, limit: .seconds(60), silence: silence)
        func areHeard() -> Bool { greetings.areHeard(of: "r-1", at: "127.0.0.1", listener.port) }
        #expect(areHeard())
        let isDead = await eventually { !areHeard() || silence > .zero && asked.value > 5 }
        #expect(isDead && areHeard() == (silence > .zero))
        greetings.forget("r-1")
        #expect(areHeard())
    }
}
