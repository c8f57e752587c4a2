import Foundation
import LianBuildKit
import LianModel

/// Feeds texts that repeat generated secrets, in pieces, to the mask, and logs with such texts in all their places to
/// their reader: no run of eight bytes of a secret comes out anywhere, and nothing else is lost.
package func fuzzSecrets(seed: UInt64, count: Int) throws {
    for index in 0..<count {
        var fuzz = SecretFuzz(seed: seed &+ UInt64(index) &* 0x1_0001)
        do {
            try fuzz.run()
        } catch let failure as FuzzFailure {
            throw FuzzFailure(description: "input \(index) from seed \(seed): \(failure)")
        }
    }
}

private struct SecretFuzz {
    private var random: SeededGenerator
    private var secrets: [[UInt8]] = []
    private var text: [UInt8] = []

    /// What stands between secrets, and in none of them.
    private static let filler = Array(" .-0123456789#".utf8)
    private static let alphabets: [[UInt8]] = [
        Array("ab".utf8), Array("abcdefghijklmnopqrstuvwxyz\"\\\t".utf8), Array("äéxyz".utf8),
        // Without those of the character that stands for what is no text.
        (0...255).filter { !filler.contains($0) && ![UInt8(ascii: "*"), 10, 13, 0xEF, 0xBF, 0xBD].contains($0) },
    ]
    private static let longest = 10_000

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        let alphabet = random.pick(Self.alphabets)
        for _ in 0..<Int.random(in: 1...5, using: &random) { secrets.append(secret(of: alphabet)) }
        for _ in 0..<Int.random(in: 1...9, using: &random) { text += piece() }
    }

    mutating func run() throws {
        let mask = SecretMask(secrets)
        let runs = SecretRuns(secrets)
        func check(_ shown: some Sequence<UInt8>, _ what: String) throws {
            guard let found = runs.found(in: shown) else { return }
            throw FuzzFailure(description: "'\(found)' of a secret is shown in \(what)")
        }

        var stream = mask.stream()
        var shown: [UInt8] = []
        for piece in pieces(of: text) { shown += stream.masked(piece) }
        shown += stream.finish()
        try check(shown, "the text")
        guard shown == Array(mask.masked(text[...])) else {
            throw FuzzFailure(description: "the pieces made a difference")
        }
        guard shown.filter(Self.isNoSecret) == text.filter(Self.isNoSecret) else {
            throw FuzzFailure(description: "more than the secrets was hidden")
        }

        for (form, log) in [("plain", plainLog()), ("rawjson", rawJSONLog())] {
            let told = told(of: log, mask)
            try check(told.text, "the text of a log in \(form)")
            for word in told.words { try check(word.utf8, "what is known of a log in \(form)") }
        }
    }

    private static func isNoSecret(_ byte: UInt8) -> Bool { filler.contains(byte) || byte == 10 || byte == 13 }

    // MARK: Secrets and texts

    private mutating func secret(of alphabet: [UInt8]) -> [UInt8] {
        let earlier = secrets.isEmpty ? [] : random.pick(secrets)
        let cut = earlier.isEmpty ? 0 : Int.random(in: 0..<earlier.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        // One begins the other, or they overlap.
        case 0 where cut >= 4 && !earlier[..<cut].contains(10): return Array(earlier[..<cut])
        case 1 where !earlier.isEmpty: return earlier + line(of: alphabet)
        case 2 where !earlier.isEmpty && !earlier.contains(10): return earlier[cut...] + line(of: alphabet)
        case 3:
            let lines = (0..<Int.random(in: 2...5, using: &random)).map { _ in line(of: alphabet) }
            return Array(lines.joined(separator: random.oneIn(2) ? [10] : [13, 10]))
        default: return line(of: alphabet)
        }
    }

    private mutating func line(of alphabet: [UInt8]) -> [UInt8] {
        let longest = random.oneIn(200) ? Self.longest : random.oneIn(15) ? 300 : 24
        return (0..<Int.random(in: 4...longest, using: &random)).map { _ in random.pick(alphabet) }
    }

    private mutating func piece() -> [UInt8] {
        let secret = random.pick(secrets)
        let other = random.pick(secrets)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: return secret
        case 1: return secret + other
        case 2: return overlapped(secret, other)
        // A beginning that leads to nothing, or to a secret.
        case 3: return secret.prefix(7) + filler(upTo: 3)
        case 4: return secret.prefix(7) + other
        case 5: return random.oneIn(2) ? [10] : [13, 10]
        default:
            // Up to where something is cut.
            guard random.oneIn(20) else { return filler(upTo: 12) }
            let place = random.pick([1000, 4096, 8192])
            return filler(upTo: place - Int.random(in: 0...20, using: &random))
        }
    }

    private mutating func filler(upTo count: Int) -> [UInt8] {
        (0..<(count > 100 ? count : Int.random(in: 1...count, using: &random))).map { _ in random.pick(Self.filler) }
    }

    /// The second begins within the first, where it can.
    private func overlapped(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        let shared = (1..<min(first.count, second.count)).last { first.suffix($0) == second.prefix($0) } ?? 0
        return first + second.dropFirst(shared)
    }

    private mutating func pieces(of bytes: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        let longest = random.pick([1, 3, 40, 9000])
        while !rest.isEmpty {
            // One by one they are too many where there is much.
            let count = Int.random(in: 1...max(longest, bytes.count / 100), using: &random)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    // MARK: Logs

    /// Where an engine may say it: in a step's name, in its output, in errors and in warnings.
    private func plainLog() -> [UInt8] {
        let lines = text.split(separator: 10, omittingEmptySubsequences: false)
        let longest = lines.max { $0.count < $1.count } ?? []
        var log: [UInt8] = []
        func add(_ mark: String, _ line: ArraySlice<UInt8>) { log += Array(mark.utf8) + line + [10] }
        add("#1 [1/2] RUN ", longest)
        for line in lines { add("#1 0.1 ", line) }
        for mark in ["#1 extracting ", "warning: the cache was not written: ", "#1 ERROR: "] { add(mark, longest) }
        for line in lines { add("", line) }
        add("error: failed to solve: ", longest)
        return log
    }

    private mutating func rawJSONLog() -> [UInt8] {
        // Decoded together, the end of one that is no text and the beginning of the next could make a character.
        let lines = secrets.flatMap { $0.split { $0 == 10 || $0 == 13 } }
        let said = JSONValue.string(
            String(validating: text, as: UTF8.self)
                ?? lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " "))
        let started: JSONValue = "2026-01-01T00:00:00Z"
        var records: [JSONValue] = [
            ["vertexes": [["digest": "a", "name": said, "started": started]]],
            ["statuses": [["vertex": "a", "id": said, "completed": started]]],
            ["warnings": [["vertex": "a", "short": .string(Data(text).base64EncodedString())]]],
        ]
        for piece in pieces(of: text) {
            // Between what the step says on one output comes what it says on the other.
            if random.oneIn(4) { records.append(log(filler(upTo: 9), stream: 2)) }
            records.append(log(piece, stream: 1))
        }
        records.append(["vertexes": [["digest": "a", "name": said, "completed": started, "error": said]]])
        var bytes: [UInt8] = []
        for record in records { bytes += record.encodedBytes() + [10] }
        // The last one may be cut.
        if random.oneIn(2) { bytes.removeLast(Int.random(in: 1...min(300, bytes.count), using: &random)) }
        return bytes
    }

    private func log(_ bytes: [UInt8], stream: Int) -> JSONValue {
        let data = Data(bytes).base64EncodedString()
        return ["logs": [["vertex": "a", "stream": .integer(stream), "data": .string(data)]]]
    }

    /// All that the reader of a log gives out.
    private mutating func told(of log: [UInt8], _ mask: SecretMask) -> (text: [UInt8], words: Set<String>) {
        var reader = BuildLogReader(hiding: mask)
        var text: [UInt8] = []
        var words: Set<String> = []
        for piece in pieces(of: log) {
            text += reader.read(piece)
            let changes = reader.takeChanges()
            words.formUnion(changes.steps.map(\.name))
            words.formUnion(changes.output.flatMap(\.lines))
        }
        text += reader.finish()
        let failure = reader.buildFailure
        words.formUnion(failure.lastLines)
        words.formUnion([failure.message, failure.step, reader.cacheNotWritten].compactMap { $0 })
        return (text, words)
    }
}
