import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 68: an engine repeats secrets where their masking could come too late, or half.
    @Suite struct SecretTests {
        enum Log: CaseIterable { case plain, rawjson }

        /// Longer than what is kept of a line and of an error; no text; one that begins another, two that overlap, and one
        /// of several lines.
        private static let secrets: [[UInt8]] =
            [Array((0..<900).map { "long\($0 * 7919)" }.joined(separator: "-").utf8)]
            + [Array("binary-".utf8) + [0xFF, 0xC3] + Array("-value-".utf8) + [0x80] + Array("-of-bytes".utf8)]
            + [
                "prefix-ed", "prefix-ed-and-its-longer-one", "overlapping-in-the-middle", "in-the-middle-of-another",
                "first-line-of-several\nsecond-line-of-several\nthird",
            ].map { Array($0.utf8) }

        private static let dots = String(repeating: ".", count: 990)

        /// What a step prints: each of them, across the places at which something is cut.
        private func output(_ scene: FaultScene) -> [[UInt8]] {
            let login = Data("\(PlantedSecrets.registryUser):\(scene.secrets.registryPassword)".utf8)
            let overlapping = Array("overlapping-in-the-middle-of-another".utf8)
            let lines = Self.secrets.flatMap { $0.split(separator: 10) }.map { Array($0) } + [overlapping]
            return lines.map { Array(Self.dots.utf8) + $0 + [UInt8(ascii: ".")] }
                + [Array(#"{"auth":"\#(login.base64EncodedString())"}"#.utf8)]
        }

        private func plain(_ scene: FaultScene) -> [UInt8] {
            var log = Array("#1 [1/1] RUN echo ".utf8) + Self.secrets[0] + [10]
            for line in output(scene) { log += Array("#1 0.1 ".utf8) + line + [10] }
            return log + Array("#1 ERROR: it said ".utf8) + Self.secrets[0] + [10]
        }

        /// In pieces that end within each secret, and within a line that is shown before its end comes.
        private func rawJSON(_ scene: FaultScene) -> [UInt8] {
            let name = JSONValue.string("[1/1] RUN echo \(String(decoding: Self.secrets[0], as: UTF8.self))")
            let begin = "2026-01-01T00:00:00Z"
            let said = JSONValue.string("it said \(String(decoding: Self.secrets[1], as: UTF8.self))")
            func log(_ data: some Sequence<UInt8>) -> JSONValue {
                ["logs": [["vertex": "a", "stream": 1, "data": .string(Data(data).base64EncodedString())]]]
            }
            var records: [JSONValue] = [["vertexes": [["digest": "a", "name": name, "started": .string(begin)]]]]
            for line in output(scene) {
                let start = line.dropLast(12)
                records += [log(Array(String(repeating: "=", count: 8000).utf8) + start), log(line.suffix(12) + [10])]
            }
            records.append(
                ["vertexes": [["digest": "a", "name": name, "completed": .string(begin), "error": said]]])
            return records.flatMap { Array($0.encoded().utf8) + [10] }
        }

        @Test(
            "row 68: secrets over every cut, in every form", arguments: ["plain", "json", "quiet", "tty"], Log.allCases)
        func overEveryCut(progress: String, log: Log) async throws {
            try await withRunner { scene, runner, _ in
                var flags = ["--progress", progress, "--report", scene.folder.appending(path: "report.html").path]
                var own: Set<String> = []
                func write(_ name: String, _ bytes: [UInt8]) throws -> String {
                    own.insert(name)
                    let file = scene.folder.appending(path: name)
                    try Data(bytes).write(to: file)
                    return file.path
                }
                let files = try Self.secrets.enumerated().map { try write("secret-\($0)", $1) }
                for (index, file) in files.enumerated() { flags += ["--secret", "id=s\(index),src=\(file)"] }
                let said = try write("said", log == .plain ? plain(scene) : rawJSON(scene))
                let words = try write("words", Array(String(repeating: Self.dots, count: 4).utf8) + Self.secrets[0])
                let ends = [
                    "printf 'error: failed to solve: '; cat \(words); exit 1",
                    "printf 'warning: the cache was not written: '; cat \(files[0]); echo; succeed",
                ]
                for (index, end) in ends.enumerated() {
                    try runner.setEngine("cat \(said)\n\(end)", version: log == .plain ? "0.12.5" : "0.13.2")
                    // As wide as a secret is not broken into lines.
                    let terminal = progress == "tty" ? try PseudoTerminal(columns: 300, height: 50) : nil
                    defer { terminal?.close() }
                    let running = try scene.start(flags, environment: ["TERM": "xterm-256color"], on: terminal)
                    let build = try await scene.finish(running)
                    // What it wrote last is on the screen a moment later.
                    #expect(await eventually { terminal?.screen.text.contains("  runner   ") != false })
                    #expect(build.status == (index == 0 ? 1 : 0), "\(build.story)")
                    #expect(build.warningCodes.contains("cache_not_written") == (index == 1))
                    #expect(build.output.contains("***"))
                    let runs = SecretRuns(Self.secrets)
                    #expect(runs.found(in: running.errorText.utf8) == nil)
                    // What it wrote, its report among it, as it stands in the files.
                    for name in try FileManager.default.contentsOfDirectory(atPath: scene.folder.path)
                    where !own.contains(name) {
                        let bytes = FileManager.default.contents(atPath: "\(scene.folder.path)/\(name)") ?? Data()
                        #expect(runs.found(in: bytes) == nil, "in \(name)")
                    }
                }
                for name in own { try FileManager.default.removeItem(at: scene.folder.appending(path: name)) }
            }
        }
    }
}
