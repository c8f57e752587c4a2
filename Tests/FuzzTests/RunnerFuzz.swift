import LianBuild
import LianModel
import LianTestSupport

@testable import LianRemote

/// What comes from a runner: good bytes that were bent. Each reader takes them for what they are or refuses them, and
/// what it lets in can be shown and added up.
enum RunnerFuzz {
    /// The records of the wrapper, and the beginning of its stream.
    static func records(_ random: inout SeededGenerator) throws {
        let limit = 4096
        let request = WrapperRequest("run", folder: "/build/run-app", program: "buildctl")
        let lines = (0..<Int.random(in: 1...6, using: &random)).map { _ in random.pick(recordLines) }
        let bytes = bent(Array(lines.map { "\(request.nonce.text) \($0)\n" }.joined().utf8), &random)
        var parser = RecordParser(request, resultLimit: limit)
        do {
            for message in try pieces(of: bytes, &random).flatMap({ try parser.feed($0) }) {
                switch message {
                case .result(let result?): try check(result.count <= limit, bytes, "\(result.count) bytes of result")
                case .ended(let end): try take(end, bytes)
                default: break
                }
            }
        } catch let error as RemoteFailure {
            try check(!error.lianError(.build).message.isEmpty, bytes, "an error without words")
        }
        var start = StreamStart(nonce: request.nonce)
        let stream = bent(Array("hello\n\(request.nonce.text)\nlog".utf8), &random)
        let cut = Int.random(in: 0...stream.count, using: &random)
        for piece in [stream[..<cut], stream[cut...]] { _ = try? start.strip(Array(piece)) }
    }

    private static func take(_ end: RunEnd, _ bytes: [UInt8]) throws {
        try check(end.logBytes >= 0 && (0...255).contains(end.exitStatus), bytes, "\(end)")
        try check(end.kernelOOMKills ?? 0 >= 0, bytes, "\(end)")
        var peaks = UsagePeaks()
        if let begun = end.usageAtStart, let ended = end.usageAtEnd { peaks.add(from: begun, to: ended) }
        try show(peaks, Watchers(), bytes, writesReport: false)
    }

    /// The lines that a runner's use is sampled by.
    static func samples(_ random: inout SeededGenerator) throws {
        let lines = (0..<Int.random(in: 1...6, using: &random)).map { "\(100 + $0).25 \($0 * 900_000) 734003200\n" }
        let bytes = bent(Array(lines.joined().utf8), &random)
        var peaks = UsagePeaks()
        var watchers = Watchers()
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let sample = peaks.add(line: String(decoding: line, as: UTF8.self)) else { continue }
            try check(isCount(sample.cores ?? 0) && isCount(sample.megabytes), bytes, "\(sample)")
            watchers.take(.usage(sample))
            watchers.draw()
        }
        try show(peaks, watchers, bytes, writesReport: random.oneIn(20))
    }

    private static func show(
        _ peaks: UsagePeaks, _ watchers: Watchers, _ bytes: [UInt8], writesReport: Bool
    ) throws {
        try check(isCount(peaks.cores ?? 0) && isCount(peaks.megabytes ?? 0), bytes, "\(peaks)")
        var watchers = watchers
        watchers.end(
            usage: UsageResult(cpuPeak: peaks.cores, memoryMBPeak: peaks.megabytes, samples: peaks.samples),
            writesReport: writesReport)
    }

    /// What a runner's programs say of their versions.
    static func tools(_ random: inout SeededGenerator) throws {
        let answer = """
            rsync rsync  version 3.2.7  protocol version 31
            buildctl buildctl github.com/moby/buildkit v0.13.2 bac3f2b673f3f9d33e79046008e7a38e856b3dc6

            """
        let bytes = bent(Array(answer.utf8), &random)
        let tools = RunnerTools(answer: String(decoding: bytes, as: UTF8.self))
        try check(!tools.speaksRawJSON || tools.buildctl?.contains("buildkit") == true, bytes, "\(tools)")
    }

    private static func isCount(_ number: Double) -> Bool { number.isFinite && number >= 0 }

    private static let recordLines = [
        "S", "H", "D", "X 0 ended 12 v2 0 - v2 1 - 100.5 1000 2000 101.5 3000 4000", "R 5\nhello", "R -", "R 0",
        "X 137 detached 99 v1 5 7 v1 6 8 100.5 1000 2000 101.5 3000 4000", "X lost", "E taken", "E setsid",
        "X 255 cancelled 0 machine 3 - machine 3 - - - - - - -",
    ]
}

func check(_ holds: Bool, _ bytes: [UInt8], _ reason: @autoclosure () -> String) throws {
    guard holds else { throw FuzzFailure(description: "\(String(decoding: bytes, as: UTF8.self)): \(reason())") }
}
