import LianBuildKit
import LianModel
import LianTestSupport

@testable import LianBuild

/// What an engine says: its log in both forms, and its metadata. And what its log says of a Dockerfile.
enum EngineFuzz {
    static func plainLog(_ random: inout SeededGenerator) throws {
        try read(bent(stretch(of: random.pick(plainLogs), &random), &random), &random)
    }

    static func rawJSONLog(_ random: inout SeededGenerator) throws {
        try read(bent(stretch(of: rawJSON, &random), &random), &random)
    }

    private static func read(_ log: [UInt8], _ random: inout SeededGenerator) throws {
        var reader = BuildLogReader()
        var watchers = Watchers()
        var shown: [UInt8] = []
        for piece in pieces(of: log, &random) {
            shown += reader.read(piece)
            watchers.take(reader.takeChanges())
            if random.oneIn(100) { watchers.draw() }
        }
        shown += reader.finish()
        watchers.take(reader.takeChanges())
        try check(shown.isEmpty || shown.last == UInt8(ascii: "\n"), log, "it ends within a line")
        for step in reader.steps {
            let seconds = step.seconds ?? 0
            try check(step.number >= 0 && seconds.isFinite && seconds >= 0, log, "\(step)")
        }
        let failure = reader.buildFailure
        if let line = failure.line {
            try check(line > 0, log, "\(failure)")
            _ = DockerfileLines(dockerfile).text(ofLine: line)
        }
        if let step = failure.step { _ = DockerfileLines(dockerfile).line(ofStep: step) }
        watchers.end(reader, writesReport: random.oneIn(20))
    }

    static func metadata(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array(metadata.utf8), &random)
        guard let value = try? JSONValue.parse(bytes) else { return }
        let encoded = value.encodedBytes()
        try check((try? JSONValue.parse(encoded))?.encodedBytes() == encoded, bytes, "lost when read again")
        _ = value["containerimage.digest"]?.stringValue
        for member in (value.objectValue ?? [:]).values { _ = (member.intValue, member.doubleValue, member[0]) }
    }

    static func dockerfile(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array(dockerfile.utf8), &random)
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = DockerfileLines(text)
        for (text, line) in lines.instructions {
            try check(lines.text(ofLine: line) != nil, bytes, "no line \(line)")
            try check(lines.line(ofStep: "[1/1] \(text)").map { $0 > 0 } ?? true, bytes, "no line of \(text)")
        }
        for number in strangeNumbers.compactMap({ Int($0) }) { _ = lines.text(ofLine: number) }
        _ = (lines.directive("syntax"), lines.directive("escape"))
        let images = DockerfileImages(text, arguments: [:], contexts: [:])
        _ = (images.all, images.needed(for: nil), images.needed(for: random.pick(strangeNumbers)))
    }

    /// Some of its lines, so that each input takes little time.
    private static func stretch(of log: String, _ random: inout SeededGenerator) -> [UInt8] {
        let lines = log.split(separator: "\n", omittingEmptySubsequences: false)
        let start = random.oneIn(2) ? 0 : Int.random(in: 0..<lines.count, using: &random)
        return Array(lines[start...].prefix(24).joined(separator: "\n").utf8)
    }

    private static let plainLogs = [
        CapturedLogs.cold, CapturedLogs.warm, CapturedLogs.failingStep, CapturedLogs.outOfMemory,
        CapturedLogs.commandOverLines, CapturedLogs.unknownInstruction, CapturedLogs.missingFile,
        CapturedLogs.daemonKilled, frame,
    ]

    private static let frame = """
        #5 [2/2] RUN make
        #5 0.171 making
        #5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 3
        ------
         > [2/2] RUN make:
        0.171 making
        ------
        Dockerfile:2
        --------------------
           1 |     FROM scratch
           2 | >>> RUN make
        --------------------
        error: failed to solve: dockerfile parse error on line 2: unknown instruction: RUM
        """

    private static let rawJSON = #"""
        {"vertexes":[{"digest":"sha256:a","name":"[1/3] FROM a:1"},{"digest":"sha256:b","name":"[2/3] RUN make","inputs":["sha256:a"]}]}
        {"vertexes":[{"digest":"sha256:a","name":"[1/3] FROM a:1","started":"2026-02-28T23:59:59.5Z","completed":"2026-02-28T23:59:59.6Z","cached":true}]}
        {"vertexes":[{"digest":"sha256:b","name":"[2/3] RUN make","started":"2026-02-28T23:59:59.75Z"}]}
        {"logs":[{"vertex":"sha256:b","stream":1,"data":"aGVsbG8Kd29y","timestamp":"2026-03-01T00:00:01.75+00:00"}]}
        {"warnings":[{"vertex":"sha256:b","level":1,"short":"b2xk"}]}
        {"statuses":[{"id":"exporting manifest sha256:00","vertex":"sha256:b","current":5,"total":7,"timestamp":"2026-03-01T00:00:02Z","started":"2026-03-01T00:00:02Z","completed":"2026-03-01T00:00:02Z"}]}
        {"logs":[{"vertex":"sha256:b","stream":2,"data":"bGQ=","timestamp":"2026-03-01T00:00:02.5Z"}]}
        {"vertexes":[{"digest":"sha256:b","name":"[2/3] RUN make","started":"2026-02-28T23:59:59.75Z","completed":"2026-03-01T00:00:03.25Z","error":"process \"/bin/sh -c make\" did not complete successfully: exit code: 3"}]}
        Dockerfile:2
        --------------------
           1 |     FROM a:1
           2 | >>> RUN make
        --------------------
        error: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 3
        """#

    private static let metadata = """
        {"buildx.build.ref":"default/default/q1","containerimage.config.digest":"sha256:2937","containerimage.descriptor":
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:19ff","size":506,"annotations":
        {"config.digest":"sha256:2937","org.opencontainers.image.created":"2026-02-08T18:49:41Z"}},
        "containerimage.digest":"sha256:19ff","image.name":"reg.example/acme/app:1","steps":[1,2.5,-3e2,true,null]}
        """

    private static let dockerfile = """
        # syntax=docker/dockerfile:1
        # escape=\\
        FROM scratch AS base
        COPY . /\r
        RUN --mount=type=bind,from=1,target=/x make && \\
          # between

          make install
        FROM ${base:-busybox}
        COPY --from=0 /a /a
        COPY --from=reg.example:5000/a/b:1 <<one <<two /a
        one
        two
        FROM base
        """
}
