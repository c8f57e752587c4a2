import LianIntegrate
import LianModel

/// Feeds generated contexts to the probe: each gets one answer of one line, with no word of the secret in it.
package func fuzzIntegrate(seed: UInt64, count: Int) async throws {
    let probe = Integrate(IntegrateOptions(), environment: [:])
    for index in 0..<count {
        var random = SeededGenerator(seed: seed &+ UInt64(index) &* 0x1_0001)
        let input = mutated(contextWithASecret, &random)
        let start = ContinuousClock.now
        let answer = await probe.run(.success(input)).answer
        let line = answer.json.encoded()
        let isGood =
            [0, 1, 2].contains(answer.exitStatus) && (answer.exitStatus == 2) == (answer.error?.code == .contextInvalid)
            && !line.contains("\n") && !line.contains(fuzzedSecret) && (try? JSONValue.parse(line)) != nil
        // Ample for a debug build on a busy machine; a check that hangs would take its 10 s.
        guard isGood, ContinuousClock.now - start < .seconds(8) else {
            throw FuzzFailure(description: "\(String(decoding: input, as: UTF8.self)) gave \(line)")
        }
    }
}

private let fuzzedSecret = "0123456789abcdef-s3cret"

private let contextWithASecret: [UInt8] = {
    let context: JSONValue = [
        "schema": "secret-delivery-context/v1", "request_id": "req-1", "workspace": "acme",
        "actor": ["id": "ci-7", "kind": "ci"], "checks": ["secrets", "directives"],
        "secrets": [
            ["name": "a", "kind": "cred", "delivery": ["via": "inline", "value": .string(fuzzedSecret)]],
            ["name": "b", "kind": "key", "delivery": ["via": "file", "path": "/nonexistent"]],
        ],
        "directives": [
            "schema_version": "1", "workspace": "acme",
            "artifacts": [["name": "app", "context": ".", "image": "reg.example/acme/app:1"]],
            "compute": ["provider": "local"], "registry": ["provider": "zot", "endpoint": "reg.example"],
        ],
        "deadline": "2999-01-01T00:00:00Z",
    ]
    return context.encodedBytes()
}()

/// A few bytes changed, taken out, doubled, or replaced by what JSON is made of.
package func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    let pieces = ["{", "}", "[", "]", "\"", ":", ",", "null", "true", "-1e9", "\\u0000", "\u{FFFF}", "[[[[", "\n"]
    for _ in 0..<Int.random(in: 1...6, using: &random) {
        guard !bytes.isEmpty else { return bytes }
        let start = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, start + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[start] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes.removeSubrange(start..<end)
        case 2: bytes.insert(contentsOf: bytes[start..<end], at: start)
        case 3: bytes.replaceSubrange(start..<end, with: random.pick(pieces).utf8)
        default: bytes.swapAt(start, Int.random(in: 0..<bytes.count, using: &random))
        }
    }
    return bytes
}
