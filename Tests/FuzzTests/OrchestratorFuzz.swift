import LianModel
import LianTestSupport

/// What an orchestrator answers, from good answers that were bent.
enum OrchestratorFuzz {
    static func answers(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array(random.pick(answers).utf8), &random)
        guard let value = try? JSONValue.parse(bytes) else { return }
        let node = JSONNode(value)
        if let answer = try? RunnerAnswer(node) {
            try? answer.checkArrival()
            if let runner = try? ReadyRunner(answer) {
                try check((1...65535).contains(runner.port), bytes, "\(runner)")
            }
            try check((try? RunnerAnswer(JSONNode(answer.json))) == answer, bytes, "\(answer)")
        }
        if let history = try? UsageHistory(node) {
            let top = TierLadder.standard.tiers.last?.size.cpu ?? 0
            if case .sized(let sizing, _) = NextSize(history, ladder: .standard) {
                try check((2...top).contains(sizing.wireSize.cpu), bytes, "\(sizing)")
                _ = "\(sizing.description) \(sizing.json.encoded())"
            }
        }
    }

    /// The times that logs and answers hold.
    static func times(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array("2026-03-01T00:00:01.75+00:00".utf8), &random)
        guard let time = UTCTime(rfc3339: String(decoding: bytes, as: UTF8.self)) else { return }
        try check(UTCTime(rfc3339: time.rfc3339) == time || time.milliseconds < 0, bytes, time.rfc3339)
    }

    private static let answers = [
        """
        {"runner_id":"r-1","state":"ready","reason":null,"workspace":"acme","provider":"local",
        "size":{"tier":"cx22","cpu":2,"memory_mb":4096},"host":"127.0.0.1","port":2222,"user":"root",
        "host_keys":["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"],
        "work_dir":"/build","buildkit_addr":null,"expires_at":"2026-03-01T00:00:00Z"}
        """,
        """
        {"workspace":"acme","samples":20,"cpu_p95":1.5,"memory_mb_p95":3000.5,"duration_seconds_p95":61}
        """,
    ]
}
