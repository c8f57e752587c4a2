import Foundation
import LianBuildKit
import LianModel
import LianTestSupport
import Testing

private func read(
    _ text: String, piece: Int = 7, hiding mask: SecretMask = .none
) -> (reader: BuildLogReader, shown: String) {
    var reader = BuildLogReader(hiding: mask)
    var shown: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        shown += reader.read(Array(rest.prefix(piece)))
        rest = rest.dropFirst(piece)
    }
    shown += reader.finish()
    return (reader, String(decoding: shown, as: UTF8.self))
}

/// What a step that failed by itself says of the cause: no more than that.
private let ofAFailedStep: BuildErrorSigns = {
    var signs = BuildErrorSigns()
    signs.read("process \"make\" did not complete successfully: exit code: 3")
    return signs
}()

@Suite struct BuildLogReaderTests {
    /// Steps of the Dockerfile alone, however they ended, and none that came from the cache.
    @Test func theTimeOfWhatRan() {
        let (reader, _) = read(
            """
            #1 [internal] load build definition from Dockerfile
            #1 DONE 9.0s
            #2 [base 1/2] FROM reg.example/base:1
            #2 DONE 1.0s
            #3 [base 2/2] RUN make
            #3 DONE 2.5s
            #4 [other 1/2] COPY . /
            #4 CACHED
            #5 [other 2/2] RUN test
            #5 ERROR: process "test" did not complete successfully: exit code: 1
            #6 exporting to image
            #6 DONE 9.0s

            """)
        #expect(reader.executedMilliseconds == 3500)
        #expect(read("").reader.executedMilliseconds == 0)
    }

    @Test(arguments: [1, 7, 100_000])
    func coldBuild(piece: Int) {
        let (reader, shown) = read(CapturedLogs.cold, piece: piece)
        #expect(shown == CapturedLogs.cold + "\n")
        #expect(reader.stepCount == 7)
        #expect(reader.cachedCount == 0)
        #expect(reader.steps.count == 11)
        let slow = reader.steps.first { $0.number == 7 }
        #expect(slow?.name == "[mid 1/2] RUN echo hello; sleep 1.2; echo world >&2")
        #expect(slow?.seconds == 1.4)
        #expect(slow?.state == .done)
        // The image's id is not its manifest's digest.
        #expect(reader.exportedDigest == nil)
        #expect(reader.signs == BuildErrorSigns())
    }

    @Test func warmBuild() {
        let reader = read(CapturedLogs.warm).reader
        #expect(reader.stepCount == 7)
        #expect(reader.cachedCount == 7)
    }

    /// Whether the warm-up had fetched it by then is no matter of the cache's.
    @Test func anImageToStartFromIsNotCached() {
        let plain = "#4 [1/2] FROM a:1\n#4 CACHED\n\n#5 [2/2] COPY a /a\n#5 CACHED\n"
        let vertexes = [(4, "[1/2] FROM a:1"), (5, "[2/2] COPY a /a")].map { digest, name in
            let completed = #""started":"2026-03-01T00:00:00Z","completed":"2026-03-01T00:00:00Z","cached":true"#
            return #"{"vertexes":[{"digest":"\#(digest)","name":"\#(name)",\#(completed)}]}"# + "\n"
        }
        // BuildKit tells some things twice.
        let rawjson = vertexes[0] + vertexes[0] + vertexes[1] + vertexes[1]
        for text in [plain, rawjson] {
            let (reader, shown) = read(text)
            #expect(reader.steps.map(\.state) == [.done, .cached])
            #expect(reader.stepCount == 2 && reader.cachedCount == 1)
            #expect(shown.split(separator: "\n").count { $0.hasSuffix(" CACHED") } == 2)
        }
    }

    @Test func failingStep() {
        let reader = read(CapturedLogs.failingStep).reader
        let failure = reader.buildFailure
        #expect(failure.step?.hasPrefix("[2/2] RUN for i in") == true)
        #expect(failure.lastLines.count == 20)
        #expect(failure.lastLines.first == "line 3")
        #expect(failure.lastLines.suffix(2) == ["Killed", "cannot allocate memory"])
        #expect(failure.message?.hasSuffix("]: exit code: 3") == true)
        #expect(reader.steps.last?.state == .failed)
        // What the step printed and what its command says is not the engine's word.
        #expect(reader.signs == ofAFailedStep)
    }

    /// The first build has no cache to import yet: that is an error in the log, and not what the build failed of.
    @Test func aMissingCacheIsNotTheFailure() {
        let missing = """
            #90 importing cache manifest from 127.0.0.1:5000/acme/ci/acme/app:cache
            #90 sha256:4cd491b0960857767f3830b03a0c2ca068d23309df529c2fcfb87f87051f5c19
            #90 ERROR: 127.0.0.1:5000/acme/ci/acme/app:cache: Killed
            """
        let reader = read("\(missing)\n\n\(CapturedLogs.failingStep)").reader
        let failure = reader.buildFailure
        #expect(failure.step?.hasPrefix("[2/2] RUN for i in") == true)
        #expect(failure.lastLines.count == 20)
        #expect(reader.signs == ofAFailedStep)
        #expect(reader.steps.first?.state == .failed)
    }

    @Test func errorsBesideSteps() {
        let syntax = read(CapturedLogs.unknownInstruction).reader.buildFailure
        #expect(syntax.step == nil)
        #expect(syntax.line == 2)
        #expect(syntax.message?.hasSuffix("unknown instruction: RUNN") == true)
        let missing = read(CapturedLogs.missingFile).reader.buildFailure
        #expect(missing.step == "[2/2] COPY nothere /x")
        #expect(missing.lastLines == [])
        #expect(missing.message == #"failed to compute cache key: "/nothere" not found: not found"#)
    }

    @Test func newerPlainFormat() {
        let text = #"""
            #0 building with "default" instance using docker driver

            #1 [internal] load build definition from Dockerfile
            #1 transferring dockerfile: 85B done
            #1 WARN: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)
            #1 DONE 0.0s

            #4 [linux/amd64 base 1/3] FROM reg.example/a:1@sha256:0123
            #4 resolve reg.example/a:1@sha256:0123 0.0s done
            #4 CACHED

            #5 [linux/amd64 base 2/3] RUN make
            #5 0.101 one
            #5 ...

            #6 [linux/arm64 base 2/3] RUN make
            #6 12.3 other
            #6 CANCELED

            #5 [linux/amd64 base 2/3] RUN make
            #5 123.4 two
            #5 ERROR: process "/bin/sh -c make \"OOM\"" did not complete successfully: exit code: 2
            ------
             > [linux/amd64 base 2/3] RUN make:
            0.101 one
            123.4 two
            ------
            Dockerfile:3
            --------------------
               1 |     FROM a:1 as base
               2 |     WORKDIR /Killed
               3 | >>> RUN make "OOM"
               4 |     
            --------------------
            error: failed to solve: process "/bin/sh -c make \"OOM\"" did not complete successfully: exit code: 2
            """#
        let (reader, shown) = read(text)
        #expect(shown == text + "\n")
        #expect(reader.stepCount == 3)
        #expect(reader.cachedCount == 0)
        #expect(reader.steps.map(\.state) == [.running, .done, .done, .failed, .cancelled])
        let failure = reader.buildFailure
        #expect(failure.step == "[linux/amd64 base 2/3] RUN make")
        #expect(failure.lastLines == ["one", "two"])
        #expect(failure.line == 3)
        #expect(
            failure.message
                == #"failed to solve: process "/bin/sh -c make \"OOM\"" did not complete successfully: exit code: 2"#)
        #expect(reader.signs == ofAFailedStep)
    }

    /// From BuildKit 0.11.6.
    @Test func whatBefallsTheCacheIsNotTheBuilds() {
        let text = #"""
            #3 importing cache manifest from reg.example/ci/a/b:cache
            #3 ERROR: failed to configure registry cache importer: reg.example/ci/a/b:cache: not found

            #4 [1/2] COPY busybox /bin/busybox
            #4 CACHED

            #4 [1/2] COPY busybox /bin/busybox
            #4 extracting sha256:1cf45e07c86f955ae879b856118f7b379aebeda1798a415c7df3fd9000db02b2 0.1s done
            #4 DONE 0.3s

            #5 [2/2] RUN make
            #0 0.083 one
            #5 0.084 two
            #5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 3

            #6 exporting content cache
            #6 ERROR: error writing layer blob: code = Unavailable, failed to push OOM
            ------
             > importing cache manifest from reg.example/ci/a/b:cache:
            ------
            ------
             > [2/2] RUN make:
            #0 0.083 one
            #5 0.084 two
            ------
            error: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 3
            """#
        let reader = read(text).reader
        #expect(reader.buildFailure.step == "[2/2] RUN make")
        #expect(reader.buildFailure.lastLines == ["one", "two"])
        #expect(reader.steps.map(\.state) == [.failed, .cached, .failed, .failed])
        #expect(reader.cachedCount == 1)
        #expect(reader.cacheNotWritten == "error writing layer blob: code = Unavailable, failed to push OOM")
        #expect(reader.signs == ofAFailedStep)
        #expect(read("warning: the cache was not written: no\nerror: it").reader.cacheNotWritten == "no")
    }

    @Test func rawjson() {
        func log(_ text: String, _ time: String) -> String {
            let data = Data(text.utf8).base64EncodedString()
            return #"{"logs":[{"vertex":"sha256:b","stream":1,"data":"\#(data)","timestamp":"\#(time)"}]}"#
        }
        let manifest = "sha256:" + String(repeating: "ab", count: 32)
        let text = [
            #"{"vertexes":[{"digest":"sha256:a","name":"[1/3] FROM a:1"},{"digest":"sha256:b","name":"[2/3] RUN make","inputs":["sha256:a"]}]}"#,
            #"{"vertexes":[{"digest":"sha256:a","name":"[1/3] FROM a:1","started":"2026-02-28T23:59:59.5Z","completed":"2026-02-28T23:59:59.6Z","cached":true}]}"#,
            #"{"vertexes":[{"digest":"sha256:b","name":"[2/3] RUN make","started":"2026-02-28T23:59:59.75Z"}]}"#,
            log("he", "2026-03-01T00:00:00Z"), log("llo\nKilled\nlast", "2026-03-01T00:00:01.75+00:00"),
            #"{"warnings":[{"vertex":"sha256:b","level":1,"short":"b2xk"}]}"#,
            #"{"statuses":[{"id":"exporting manifest \#(manifest)","vertex":"sha256:b","current":0,"timestamp":"2026-03-01T00:00:02Z","started":"2026-03-01T00:00:02Z","completed":"2026-03-01T00:00:02Z"}]}"#,
            #"{"unknown":1}"#, "{broken", "time=now level=info msg=hello",
            #"{"vertexes":[{"digest":"sha256:b","name":"[2/3] RUN make","started":"2026-02-28T23:59:59.75Z","completed":"2026-03-01T00:00:03.25Z","error":"process \"/bin/sh -c make\" did not complete successfully: cannot allocate memory"}]}"#,
            "Dockerfile:2", "--------------------", "   1 |     FROM a:1", "   2 | >>> RUN make",
            "--------------------",
            #"error: failed to solve: ResourceExhausted: process "/bin/sh -c make" did not complete successfully: cannot allocate memory"#,
        ].joined(separator: "\n")
        let (reader, shown) = read(text)
        #expect(
            shown == #"""
                #1 [1/3] FROM a:1
                #1 CACHED
                #2 [2/3] RUN make
                #2 2.0 hello
                #2 2.0 Killed
                #2 WARN: old
                #2 exporting manifest \#(manifest) done
                {"unknown":1}
                {broken
                time=now level=info msg=hello
                #2 last
                #2 ERROR: process "/bin/sh -c make" did not complete successfully: cannot allocate memory
                Dockerfile:2
                --------------------
                   1 |     FROM a:1
                   2 | >>> RUN make
                --------------------
                error: failed to solve: ResourceExhausted: process "/bin/sh -c make" did not complete successfully: cannot allocate memory

                """#)
        #expect(reader.stepCount == 2)
        #expect(reader.cachedCount == 0)
        #expect(reader.steps.map(\.seconds) == [nil, 3.5])
        #expect(reader.exportedDigest == manifest)
        #expect(reader.buildFailure.lastLines == ["hello", "Killed", "last"])
        #expect(reader.buildFailure.line == 2)
        #expect(reader.signs.outOfMemory)
    }

    @Test func rawjsonDurationsCountDaysAndOffsets() {
        let text = #"""
            {"vertexes":[{"digest":"a","name":"[1/1] RUN x","started":"2024-02-28T23:59:58Z","completed":"2024-02-29T02:00:00.25+02:00"}]}
            """#
        #expect(read(text).reader.steps.first?.seconds == 2.25)
        #expect(read(text).shown == "#1 [1/1] RUN x\n#1 DONE 2.3s\n")
    }

    @Test func changesAreToldAsTheyCome() {
        var reader = BuildLogReader()
        func changes(_ text: String) -> StepChanges {
            _ = reader.read(Array(text.utf8))
            return reader.takeChanges()
        }
        let begun = changes("#1 [1/2] COPY a a\n#1 CACHED\n\n#2 [2/2] RUN x\n#2 0.1 o")
        #expect(begun.steps.map(\.state) == [.cached, .running] && begun.output == [])
        let printed = changes("ne\n" + (2...9).map { "#2 0.2 \($0)\n" }.joined())
        #expect(printed.steps == [] && printed.output.map(\.step) == [2])
        #expect(printed.output.first?.lines == ["5", "6", "7", "8", "9"])
        let nothing = changes("")
        #expect(nothing.steps == [] && nothing.output == [])
        let ended = changes("#2 0.3 last\n#2 DONE 4.5s\n")
        #expect(ended.steps.map(\.seconds) == [4.5] && ended.output == [])
    }

    /// One record may hold all of a step; what it printed comes before its end all the same.
    @Test func rawjsonLastWordsComeBeforeTheEnd() {
        let words = Data("last words\n".utf8).base64EncodedString()
        let vertex = #"{"digest":"a","name":"[1/1] RUN x","started":"2026-01-01T00:00:00Z""#
        let ended = vertex + #","completed":"2026-01-01T00:00:01Z","error":"exit code: 3"}"#
        let log = #"{"vertex":"a","stream":1,"data":"\#(words)","timestamp":"2026-01-01T00:00:00.5Z"}"#
        let (reader, shown) = read(#"{"vertexes":[\#(vertex)},\#(ended)],"logs":[\#(log)]}"#)
        #expect(shown == "#1 [1/1] RUN x\n#1 0.5 last words\n#1 ERROR: exit code: 3\n")
        #expect(reader.buildFailure.lastLines == ["last words"])
    }

    @Test func memoryIsBoundedAndNothingBreaks() {
        var reader = BuildLogReader()
        _ = reader.read(Array("#1 [1/1] RUN x\n".utf8))
        let long = [UInt8](repeating: 120, count: 1 << 20)
        for _ in 0..<5 { _ = reader.read(long) }
        _ = reader.read(Array("\n".utf8))
        for number in 0..<3000 { _ = reader.read(Array("#1 0.1 line \(number)\n".utf8)) }
        for number in 2..<11_000 { _ = reader.read(Array("#\(number) a\n#\(number) DONE 0.1s\n".utf8)) }
        _ = reader.read(Array("#1 ERROR: x\n#\n# \n#x y\n------\n\u{0}\n".utf8) + [0xFF, 0xFE, 10])
        #expect(reader.steps.count == 10_000)
        #expect(reader.buildFailure.lastLines.count == 20)
        #expect(reader.buildFailure.lastLines.last == "line 2999")
    }

    /// In whichever pieces it comes.
    @Test func whatIsCutFromALongLineIsSaid() {
        let limit = 4 << 20
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: limit)
        for pieces in [[line + Array("yy\nz\n".utf8)], [line, Array("y".utf8), Array("y\nz\n".utf8)]] {
            var reader = BuildLogReader()
            let shown = pieces.flatMap { reader.read($0) } + reader.finish()
            #expect(shown.count == limit + " … 2 bytes more\nz\n".utf8.count)
            #expect(String(decoding: shown.suffix(30), as: UTF8.self).hasSuffix("xx … 2 bytes more\nz\n"))
        }
        var reader = BuildLogReader()
        #expect(reader.read(line + Array("\n".utf8)).count == limit + 1)
        #expect(reader.read(line + line).isEmpty)
        #expect(String(decoding: reader.finish().suffix(40), as: UTF8.self).hasSuffix("x … \(limit) bytes more\n"))
    }

    /// A step that is done is done, whatever the engine says of its time.
    @Test(arguments: ["1e300", "inf", "nan", "-1", "0x10", "9223372036854775807", "1.", "", " 1"])
    func timesThatAreNone(text: String) {
        let reader = read("#5 [1/1] RUN make\n#5 0.1 x\n#5 DONE \(text)s\n").reader
        #expect(reader.steps.map(\.state) == [.done] && reader.steps.map(\.seconds) == [nil])
    }

    @Test(arguments: ["-9223372036854775808", "0", "-1", "9223372036854775807", "99999999999999999999"])
    func linesThatNoFileHas(number: String) {
        let frame = "--------------------\n\(number) | >>> x\n--------------------\nerror: it\n"
        #expect(read(frame).reader.buildFailure.line == nil)
        let words = "error: dockerfile parse error line \(number): it\n"
        #expect(read(words).reader.buildFailure.line == nil)
    }

    @Test func aStepsNumberBeyondAllNumbersIsNone() {
        #expect(read("#99999999999999999999 [1/1] RUN x\n").reader.steps.map(\.number) == [0])
    }

    /// BuildKit hands on what a step prints as it comes; a client that dies does not say that the last line is whole.
    @Test(arguments: [1, 7, 100_000])
    func unendedLinesAreToldAtTheEndOfTheLog(piece: Int) {
        func vertex(_ key: String) -> String {
            #"{"vertexes":[{"digest":"\#(key)","name":"[\#(key)/2] RUN x","started":"2026-03-01T00:00:00Z"}]}"#
        }
        func log(_ key: String, _ text: String) -> String {
            let data = Data(text.utf8).base64EncodedString()
            return #"{"logs":[{"vertex":"\#(key)","data":"\#(data)","timestamp":"2026-03-01T00:00:01Z"}]}"#
        }
        let text = [vertex("1"), vertex("2"), log("2", "two\nand a ha"), log("1", "one\nno end"), log("2", "lf")]
        let (reader, shown) = read(text.joined(separator: "\n"), piece: piece)
        #expect(
            shown == """
                #1 [1/2] RUN x
                #2 [2/2] RUN x
                #2 1.0 two
                #1 1.0 one
                #1 no end
                #2 and a half

                """)
        // No step failed: what was printed last comes nearest to a reason.
        #expect(reader.buildFailure.step == nil)
        #expect(reader.buildFailure.lastLines == ["two", "and a half"])
        let plain = read("#1 [1/2] RUN x\n#2 [2/2] RUN y\n#2 0.1 two\n#1 0.1 one\n#1 0.2 no end", piece: piece)
        #expect(plain.shown.hasSuffix("#1 0.2 no end\n"))
        #expect(plain.reader.buildFailure.lastLines == ["one", "no end"])
    }

    @Test func trailerWithoutEndHidesNothingForLong() {
        let quoted = "------\n" + String(repeating: "0.1 Killed\n", count: 200)
        #expect(read(quoted + "error: exit code: 137\n").reader.signs.exit137)
    }

    /// A tail's line has 1,000 bytes, an error 4,096.
    @Test func secretsAreHiddenBeforeLinesAreCut() {
        let secret = (0..<500).map { "part\($0)" }.joined(separator: "-")
        let filler = String(repeating: ".", count: 990)
        let text = """
            #1 [1/1] RUN echo \(secret)
            #1 0.1 \(filler)\(secret)!
            #1 ERROR: it said \(secret)
            warning: the cache was not written: \(secret)
            error: \(filler)\(filler)\(filler)\(filler)\(secret)
            """
        let (reader, shown) = read(text, piece: 100, hiding: SecretMask([secret]))
        #expect(shown == text.replacingOccurrences(of: secret, with: "***") + "\n")
        let failure = reader.buildFailure
        #expect(failure.step == "[1/1] RUN echo ***")
        #expect(failure.lastLines == ["\(filler)***!"])
        #expect(failure.message == "\(filler)\(filler)\(filler)\(filler)***")
        #expect(reader.cacheNotWritten == "***")
    }

    /// A line over 8,192 bytes is shown in pieces, and each output of a step comes in pieces of its own.
    @Test func secretsAreHiddenAcrossRecords() {
        let secret = Array("hush-".utf8) + [0xFF, 0xFE] + Array("-hush".utf8)
        let filler = [UInt8](repeating: UInt8(ascii: "."), count: 9000)
        func log(_ bytes: [UInt8], stream: Int = 1) -> String {
            let data = Data(bytes).base64EncodedString()
            return #"{"logs":[{"vertex":"a","stream":\#(stream),"data":"\#(data)"}]}"# + "\n"
        }
        let vertex = #"{"vertexes":[{"digest":"a","name":"[1/1] RUN x","started":"2026-01-01T00:00:00Z""#
        let text =
            vertex + "}]}\n" + log(filler + secret[..<9]) + log([UInt8(ascii: "e")], stream: 2)
            + log(Array(secret[9...] + secret[..<10])) + vertex + #","completed":"2026-01-01T00:00:01Z"}]}"# + "\n"
        let (_, shown) = read(text, piece: 1000, hiding: SecretMask([secret]))
        let dots = String(repeating: ".", count: 9000)
        #expect(shown == "#1 [1/1] RUN x\n#1 0.0 \(dots)\n#1 e***\n#1 DONE 1.0s\n")
    }

    /// What is in a record that breaks off could be a secret in a form in which nobody finds it.
    @Test func aRecordThatBreaksOffIsNotShown() {
        let secret = Data("hush-hush-hush".utf8).base64EncodedString()
        #expect(read(#"{"logs":[{"vertex":"a","data":"\#(secret)"#).shown == "")
        #expect(read(#"{"logs": it"#).shown == "")
        #expect(read(#"{"logging": it"#).shown == "{\"logging\": it\n")
    }
}
