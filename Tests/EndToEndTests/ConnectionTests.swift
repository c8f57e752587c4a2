import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// The way to the runner breaks.
    @Suite struct ConnectionTests {
        @Test func aCutInMidBuildCostsNothing() async throws {
            try await withScene { scene in
                let front = try OrchestratorFront(of: scene.orchestrator)
                defer { front.stop() }
                // It talks as far as the second gate while nobody listens.
                let lines = 90
                let (first, second) = (try StepGate(), try StepGate())
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN i=0; while [ $i -lt \(lines) ]; do i=$((i + 1)); echo "line $i of many"; \
                    case $i in 9) \(first.waiting) ;; 80) \(second.waiting) ;; esac; done
                    """)
                let running = try scene.start(scene.flags(context), environment: ["ORCHESTRATOR_URL": front.url])
                try await running.says(" line 9 of many\n")
                let proxy = try #require(front.proxy(of: scene.workspace))
                proxy.refuse()
                proxy.cut()
                try await running.says("coming back to it")
                first.open()
                try #require(await eventually { second.isReached }, "\(running.errorText)")
                #expect(!running.errorText.contains(" line 10 of many\n"))
                proxy.accept()
                second.open()
                let build = try await running.finished()
                try #require(build.status == 0, "\(build.story)")
                #expect(proxy.connections > 1)
                let said = build.errorText.split(separator: "\n").filter {
                    $0.hasSuffix(" of many") && $0.hasPrefix("#")
                }
                let numbers = said.compactMap { line in
                    line.split(separator: " ").dropLast(2).last.flatMap { Int($0) }
                }
                #expect(numbers == Array(1...lines))
                #expect(build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
                #expect(build.attempts.count == 1)
            }
        }
    }
}
