import Glibc
import LianContext
import LianModel

package struct FuzzFailure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) {
        self.description = description
    }
}

/// Feeds generated ignore files to the parser and generated names to the matcher: nothing traps, nothing takes long,
/// and what an automaton has learnt never changes its answer.
package func fuzzIgnoreRules(seed: UInt64, count: Int) throws {
    for index in 0..<count {
        var input = IgnoreFuzzInput(seed: seed &+ UInt64(index) &* 0x1_0001)
        let start = ownTime()
        try input.run()
        let elapsed = ownTime() - start
        guard elapsed < IgnoreFuzzInput.longest else {
            throw FuzzFailure(description: "took \(elapsed): \(input.description)")
        }
    }
}

/// What this thread has computed so far: other people's work on the machine does not count.
private func ownTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

private struct IgnoreFuzzInput: CustomStringConvertible {
    /// Ample for a debug build, and far below what backtracking would take.
    static let longest: Duration = .seconds(20)

    private let file: [UInt8]
    private let names: [[UInt8]]

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        switch random.next() % 8 {
        case 0: file = Self.soup(&random, of: Array(0...255), upTo: 300)
        case 1: file = Self.soup(&random, of: Array("ab/!*?[]\\^-{}|().+$,:# 012dwsQEbBzAxp\n\r".utf8), upTo: 200)
        case 2: file = Self.repeated(&random)
        default:
            var samples = IgnoreSamples(seed: random.next(), oddity: .odd)
            file = Array(samples.ignoreFile(for: samples.tree(entries: 30)).utf8)
        }
        var names: [[UInt8]] = []
        var samples = IgnoreSamples(seed: random.next(), oddity: .odd)
        names = samples.tree(entries: 6).map { Array($0.utf8.prefix { $0 != 0 }) }
        names = names.map { $0.last == UInt8(ascii: "/") ? $0.dropLast() : $0 }
        names.append(Self.soup(&random, of: Array("ab/*\n\u{e9}".utf8) + [0xFF, 0xC3], upTo: 255))
        names.append(
            Array(repeatElement("a/", count: random.oneIn(50) ? 1000 : 20).joined().utf8) + [UInt8(ascii: "b")])
        self.names = names.filter { !$0.isEmpty }
    }

    private static func soup(_ random: inout SeededGenerator, of bytes: [UInt8], upTo most: Int) -> [UInt8] {
        (0..<Int.random(in: 1...most, using: &random)).map { _ in random.pick(bytes) }
    }

    private static func repeated(_ random: inout SeededGenerator) -> [UInt8] {
        let piece = random.pick(["**/", "*", "?*", "a*", "**a", "[^a]*", "a{9}", "**/*", "(", "x|", "\\Q*", "a**/"])
        let count = random.oneIn(10) ? 500 : Int.random(in: 1...40, using: &random)
        return Array((random.oneIn(2) ? "!" : "").utf8) + Array(repeatElement(piece, count: count).joined().utf8)
            + Array(random.pick(["", "b", "\n*\n!b", "\nz"]).utf8)
    }

    mutating func run() throws {
        let rules: IgnoreRules
        do {
            rules = try IgnoreRules(parsing: file, name: ".dockerignore")
        } catch {
            guard error.code == .ignoreFileInvalid else { throw error }
            return
        }
        let learned = IgnoreMatcher(rules)
        for name in names {
            let fresh = Self.verdicts(IgnoreMatcher(rules), name)
            for _ in 0..<2 where Self.verdicts(learned, name) != fresh {
                throw FuzzFailure(description: "what was learnt changed the answer for \(name): \(description)")
            }
        }
    }

    private static func verdicts(_ matcher: IgnoreMatcher, _ name: [UInt8]) -> [Bool] {
        name.withUnsafeBufferPointer { name in
            let folder = matcher.excludesFolder(name, in: matcher.matchesAtRoot)
            return [
                matcher.excludes(name, in: matcher.matchesAtRoot), matcher.excludesBeforeV010(name), folder.isExcluded,
                matcher.looksInto(excludedFolder: name), matcher.looksIntoBeforeV010(excludedFolder: name),
            ] + folder.matches
        }
    }

    var description: String { "ignore file \(String(decoding: file, as: UTF8.self).debugDescription)" }
}
