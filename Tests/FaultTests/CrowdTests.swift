import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 60: whoever holds connections, in whatever state, holds up no build.
    @Suite(.realEngine) struct CrowdTests {
        /// A greeting by TLS that is longer than what comes of it.
        private static let halfGreeting: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]

        @Test("row 60: 1,000 half-open connections, slow requests and 10,000 headers: builds go on")
        func builds() async throws {
            try await withTemporaryFolder { folder in
                let authority = try await TestAuthority(in: folder)
                try await withRealScene(authority: authority) { scene, _ in
                    let pid = try #require(scene.orchestrator.pid)
                    let gate = try StepGate()
                    let context = try scene.context(BuildScene.shell + "RUN echo begun; \(gate.waiting)\n")
                    let running = try scene.start(scene.flags(context))
                    try await running.says(" begun\n")
                    let memory = peakMemory(of: pid)
                    let threads = threadCount(of: pid)

                    let crowd = Crowd(
                        port: scene.orchestrator.port, size: 1000,
                        sending: [[], [0x16], Self.halfGreeting, Array("GET / HTTP/1.1\r\n\r\n".utf8)])
                    try crowd.start()
                    let drips = try (0..<20).map { try drip(scene, folder, number: $0) }
                    defer { for drip in drips { drip.stop() } }
                    await onOwnThread { crowd.waitUntilAllHaveCome() }
                    try await sendTooManyHeaders(scene, authority, folder)

                    for _ in 0..<20 {
                        let answer = try await scene.orchestrator.request("GET", "/api/v1/runners")
                        #expect(answer.status == 200)
                    }
                    let other = try scene.context(BuildScene.shell + "RUN echo other\n", named: "other")
                    let second = try await scene.build(context: other, image: "other")
                    #expect(second.status == 0 && second.isRunnerDestroyed == true, "\(second.story)")
                    await onOwnThread { crowd.waitUntilAllHaveCome() }
                    gate.open()
                    let first = try await running.finished()
                    #expect(first.status == 0 && first.isRunnerDestroyed == true, "\(first.story)")

                    #expect(threadCount(of: pid) <= threads + 8)
                    await onOwnThread { crowd.stop() }
                    let grown = peakMemory(of: pid) - memory
                    #expect(grown < 64 << 20, "\(grown >> 20) MiB more")
                }
            }
        }

        /// A client that speaks TLS, begins a request and never ends it.
        private func drip(_ scene: BuildScene, _ folder: URL, number: Int) throws -> RunningProcess {
            let line =
                "{ printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\n'; tail -f /dev/null; } | "
                + "openssl s_client -quiet -connect 127.0.0.1:\(scene.orchestrator.port)"
            return try RunningProcess(
                Command("/bin/sh", ["-c", line], environment: ["PATH": "/usr/bin:/bin"]),
                outputFile: folder.appending(path: "drip-\(number)"))
        }

        private func sendTooManyHeaders(_ scene: BuildScene, _ authority: TestAuthority, _ folder: URL) async throws {
            let headers = (0..<10_000).map { "X-\($0): some\n" }.joined()
            let file = folder.appending(path: "headers").path
            try headers.write(toFile: file, atomically: true, encoding: .utf8)
            for token in [scene.orchestrator.token, "stranger"] {
                let result = try await run(
                    Command(
                        "/usr/bin/curl",
                        [
                            "--silent", "--cacert", authority.certificate, "--header", "Authorization: Bearer \(token)",
                            "--header", "@\(file)", "--output", "/dev/null", "--write-out", "%{http_code}",
                            "\(scene.orchestrator.url)/api/v1/runners",
                        ], environment: [:]), deadline: .seconds(120))
                // Refused in words, or cut off while they are still sent.
                #expect(["431", "000"].contains(result.outputText), "\(result.outputText)\(result.errorText)")
            }
        }
    }
}
