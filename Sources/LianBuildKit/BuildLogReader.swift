import LianModel

/// Reads BuildKit's log as it comes, line by line, both rawjson and plain, and keeps what a result needs. Unknown lines
/// are let through; memory is bounded whatever comes. Secrets are taken out of everything that is kept or returned, as
/// bytes, before anything is cut or decoded. What the engine means is read from its unmasked words.
package struct BuildLogReader: Sendable {
    /// The steps in the order in which they began.
    package private(set) var steps: [BuildStep] = []
    /// What the engine's own errors say.
    package private(set) var signs = BuildErrorSigns()
    /// The digest of the image's manifest, or of the manifest list if there are several. It is a hint for people; the
    /// result takes its digest from BuildKit's metadata.
    package private(set) var exportedDigest: String?
    /// Why the cache was not written; nil if no such failure was reported.
    package private(set) var cacheNotWritten: String?

    /// How long the engine took to make the image's layers, compressing them; nil where it did not say.
    package private(set) var layersSeconds: Double?

    private let mask: SecretMask
    private var lines = LineSplitter(limit: 4 << 20)
    private var tracks: [String: Track] = [:]
    private var changes = Changes()
    /// The step whose lines plain output is showing.
    private var current: String?
    private var failure = BuildFailure()
    private var region = Region.outside
    /// The last line that belongs to no step: the engine's last words.
    private var lastOther: String?
    /// How many lines all steps together have printed.
    private var printedLines = 0

    /// What is kept of one step while it runs.
    private struct Track: Sendable {
        var index: Int
        var started: Double?
        var tail: [String] = []
        /// The value of `printedLines` when this step printed last.
        var printedAt = 0
        /// The step's two outputs, each masked as a stream: in rawjson a piece of log may end within a line and within
        /// a secret.
        var outputs: [SecretMask.Stream]
        var partial: [UInt8] = []

        init(index: Int, hiding mask: SecretMask) {
            self.index = index
            outputs = [mask.stream(), mask.stream()]
        }
    }

    /// What has changed since it was last asked: the indices of steps, and the keys of running steps that printed.
    private struct Changes: Sendable {
        var steps: Set<Int> = []
        var printing: Set<String> = []

        var isEmpty: Bool { steps.isEmpty && printing.isEmpty }
    }

    /// The part of plain output's trailer that is being read. The lines in it are repetitions.
    private enum Region: Equatable, Sendable {
        case outside
        /// Between `------`: the failing step's last lines.
        case quoted(lines: Int)
        /// Between `--------------------`: lines of the Dockerfile.
        case source(lines: Int)
    }

    private static let layersStatus = "exporting layers"
    private static let tailLines = 20
    private static let shownLines = 5
    private static let tailLineBytes = 1000
    private static let partialBytes = 8192
    private static let stepLimit = 10_000
    /// The label that the stand-in for buildctl puts before this warning.
    private static let cacheNotWrittenLabel = "warning: the cache was not written: "
    /// The most lines of one trailer block. Such blocks are short; if the end of one is missing, the log behind it must
    /// not be lost.
    private static let regionLimit = 100

    package init(hiding mask: SecretMask = .none) {
        self.mask = mask
    }

    /// Takes the next piece of the log and returns it for people: plain text as it came, rawjson as plain text.
    package mutating func read(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        // The splitter is taken out so that handling its lines may change the rest of the reader.
        var splitter = lines
        lines = LineSplitter(limit: 0)
        splitter.feed(bytes) { take($0, into: &text) }
        lines = splitter
        return text
    }

    /// Ends the log. Its last line may lack its newline, and so may the last output of steps whose end was not
    /// reported.
    package mutating func finish() -> [UInt8] {
        var text: [UInt8] = []
        var splitter = lines
        splitter.finish { take($0, into: &text) }
        for (key, track) in tracks.sorted(by: { $0.value.index < $1.value.index }) {
            flushPartial(key, steps[track.index].number, into: &text)
        }
        return text
    }

    /// What has changed since the last call.
    package mutating func takeChanges() -> StepChanges {
        guard !changes.isEmpty else { return StepChanges() }
        let taken = changes
        changes = Changes()
        let printed = taken.printing.sorted().compactMap { key -> StepChanges.Output? in
            guard let track = tracks[key], !track.tail.isEmpty else { return nil }
            return StepChanges.Output(step: steps[track.index].number, lines: track.tail.suffix(Self.shownLines))
        }
        return StepChanges(steps: taken.steps.sorted().map { steps[$0] }, output: printed)
    }

    package var stepCount: Int { steps.count { $0.isOfDockerfile } }
    package var cachedCount: Int { steps.count { $0.isOfDockerfile && $0.state == .cached } }
    /// The time of the Dockerfile's steps that ran, that is, were not cached. Of steps side by side each counts.
    package var executedMilliseconds: Int {
        steps.reduce(0) { sum, step in
            guard step.isOfDockerfile, step.state != .cached else { return sum }
            return sum.upToLargest(adding: step.milliseconds ?? 0)
        }
    }

    /// What went wrong, as far as the log tells. Ask only about a build that failed.
    package var buildFailure: BuildFailure {
        var told = failure
        told.message = lastOther.map(withoutLabel) ?? failure.message
        if told.line == nil { told.line = told.message.flatMap(parseErrorLine) }
        // If the client died, no step is reported as failed. Of the steps that still run, the one that printed last
        // most likely shows the reason.
        if told.step == nil {
            let running = tracks.values.filter { !$0.tail.isEmpty }
            told.lastLines = running.max { $0.printedAt < $1.printedAt }?.tail ?? []
        }
        return told
    }

    private mutating func take(_ line: ArraySlice<UInt8>, into text: inout [UInt8]) {
        if line.first == UInt8(ascii: "{"), let value = try? JSONValue.parse(Array(line)), isStatus(value) {
            takeStatus(value, into: &text)
        } else if line.first != UInt8(ascii: "{") || !isBrokenStatus(line) {
            text += mask.masked(line)
            text.append(UInt8(ascii: "\n"))
            takePlain(line)
        }
    }
}

// MARK: - Steps

extension BuildLogReader {
    /// Begins a step, unless there are too many already.
    private mutating func begin(_ key: String, number: Int, name: String) {
        guard steps.count < Self.stepLimit else { return }
        tracks[key] = Track(index: steps.count, hiding: mask)
        changes.steps.insert(steps.count)
        steps.append(BuildStep(number: number, name: name))
    }

    private mutating func end(_ key: String, _ state: BuildStep.State, seconds: Double? = nil) {
        guard let index = tracks[key]?.index else { return }
        changes.steps.insert(index)
        // A base image is there because this build or its warm-up fetched it, so the cache saved no work.
        let state = state == .cached && steps[index].isOfImage ? .done : state
        // A cached step may be loaded from the registry later; BuildKit then reports it as done once more.
        if steps[index].state != .cached || state != .done { steps[index].state = state }
        if let seconds { steps[index].seconds = seconds }
        tracks[key]?.tail = []
        tracks[key]?.partial = []
    }

    /// `message` is what the engine said, `shown` is the same without secrets.
    private mutating func fail(_ key: String, _ message: String, shown: String, seconds: Double? = nil) {
        let track = tracks[key]
        // A cache that is missing or cannot be written does not make a build fail.
        if let track, steps[track.index].isOfCacheImport { return end(key, .failed, seconds: seconds) }
        if let track, steps[track.index].isOfCacheExport {
            cacheNotWritten = shown
            return end(key, .failed, seconds: seconds)
        }
        signs.read(message)
        guard let track, steps[track.index].state != .failed else { return }
        if failure.step == nil {
            failure.step = steps[track.index].name
            failure.lastLines = track.tail
            failure.message = shown
        }
        end(key, .failed, seconds: seconds)
    }

    /// `line` holds no secrets any more.
    private mutating func addLog(_ key: String, _ line: ArraySlice<UInt8>) {
        let shown = String(decoding: line.prefix(Self.tailLineBytes), as: UTF8.self)
        tracks[key]?.tail.append(shown)
        printedLines += 1
        tracks[key]?.printedAt = printedLines
        changes.printing.insert(key)
        if let count = tracks[key]?.tail.count, count > Self.tailLines { tracks[key]?.tail.removeFirst() }
    }

    private mutating func addStatus(_ status: some StringProtocol) {
        if status.hasPrefix(Self.layersStatus), status.hasSuffix("s done") {
            let seconds = status.dropFirst(Self.layersStatus.count + 1).dropLast("s done".count)
            layersSeconds = OutsideNumber.decimal(seconds, in: 0...1e9) ?? layersSeconds
        }
        for label in ["exporting manifest list ", "exporting manifest "] where status.hasPrefix(label) {
            let digest = status.dropFirst(label.count).prefix { $0 != " " }
            // A manifest list comes after its manifests and stands for all of them.
            if digest.hasPrefix("sha256:"), digest.utf8.count == 71 { exportedDigest = String(digest) }
            return
        }
    }
}

// MARK: - Plain

extension BuildLogReader {
    private mutating func takePlain(_ line: ArraySlice<UInt8>) {
        switch region {
        case .outside: takeOutside(line)
        case .quoted(let lines):
            let ends = line.elementsEqual("------".utf8) || lines >= Self.regionLimit
            region = ends ? .outside : .quoted(lines: lines + 1)
        case .source(let lines):
            let ends = line.elementsEqual("--------------------".utf8) || lines >= Self.regionLimit
            region = ends ? .outside : .source(lines: lines + 1)
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
            if failure.line == nil, words.count >= 3, words[2].elementsEqual(">>>".utf8) {
                failure.line = lineNumber(String(decoding: words[0], as: UTF8.self))
            }
        }
    }

    private mutating func takeOutside(_ line: ArraySlice<UInt8>) {
        if line.first == UInt8(ascii: "#"), let space = line.firstIndex(of: UInt8(ascii: " ")),
            line.index(after: line.startIndex) < space,
            line[line.index(after: line.startIndex)..<space].allSatisfy(Identifier.isDigit)
        {
            takeStepLine(String(decoding: line[..<space], as: UTF8.self), line[(space + 1)...])
        } else if line.elementsEqual("------".utf8) {
            region = .quoted(lines: 0)
        } else if line.elementsEqual("--------------------".utf8) {
            region = .source(lines: 0)
        } else if line.contains(where: { $0 > UInt8(ascii: " ") }) {
            let label = Self.cacheNotWrittenLabel.utf8
            if line.starts(with: label) {
                cacheNotWritten = shown(line.dropFirst(label.count))
                return
            }
            signs.read(String(decoding: line, as: UTF8.self))
            lastOther = String(shown(line).prefix(4096))
        }
    }

    private mutating func takeStepLine(_ key: String, _ rest: ArraySlice<UInt8>) {
        // BuildKit 0.11 gives some of a step's output the number 0.
        let key = key == "#0" ? current ?? key : key
        current = key
        // A step's output is preceded by a time, so it cannot imitate the engine's words.
        if let space = rest.firstIndex(of: UInt8(ascii: " ")), isTime(rest[..<space]) {
            return addLog(key, mask.masked(rest[(space + 1)...]))
        }
        let text = String(decoding: rest, as: UTF8.self)
        switch text {
        case "...": return
        case "CACHED": return end(key, .cached)
        case "CANCELED": return end(key, .cancelled)
        case "DONE": return end(key, .done)
        default: break
        }
        if text.hasPrefix("DONE "), text.hasSuffix("s") {
            end(key, .done, seconds: OutsideNumber.decimal(text.dropFirst(5).dropLast(), in: 0...1e9))
        } else if text.hasPrefix("ERROR: ") {
            fail(key, String(text.dropFirst(7)), shown: shown(rest.dropFirst(7)))
        } else if tracks[key] == nil {
            begin(key, number: OutsideNumber.whole(key.dropFirst()) ?? 0, name: shown(rest))
        } else {
            addStatus(text)
        }
    }
}

extension BuildLogReader {
    private func shown(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: mask.masked(bytes), as: UTF8.self)
    }
}

/// `0.171`: digits, a point, digits.
private func isTime(_ text: ArraySlice<UInt8>) -> Bool {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count <= 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(Identifier.isDigit) }
}

private func withoutLabel(_ text: String) -> String {
    for label in ["error: ", "ERROR: "] where text.hasPrefix(label) { return String(text.dropFirst(label.count)) }
    return text
}

/// `dockerfile parse error line 2: …`, and `… on line 2: …` in newer ones.
private func parseErrorLine(_ message: String) -> Int? {
    guard message.range(ofFirst: "parse error") != nil, let label = message.range(ofFirst: " line ") else { return nil }
    return lineNumber(message[label.upperBound...].prefix { $0.isNumber })
}

/// The number of a line in a Dockerfile, counted from 1.
private func lineNumber(_ text: some StringProtocol) -> Int? {
    OutsideNumber.whole(text, in: 1...Int(Int32.max))
}

// MARK: - rawjson

/// A line of rawjson is a record with one or more of these lists. A step could print such a record too, but what steps
/// print is inside the lists.
private func isStatus(_ value: JSONValue) -> Bool {
    guard let members = value.objectValue else { return false }
    return members.isEmpty || ["vertexes", "statuses", "logs", "warnings"].contains { members[$0]?.arrayValue != nil }
}

/// Whether the line is a status that was cut or lost its end. It is dropped: it may show a step's output in a form in
/// which secrets are not found.
private func isBrokenStatus(_ line: ArraySlice<UInt8>) -> Bool {
    ["vertexes", "statuses", "logs", "warnings"].contains { line.starts(with: "{\"\($0)\":".utf8) }
}

extension BuildLogReader {
    private mutating func takeStatus(_ status: JSONValue, into text: inout [UInt8]) {
        // One record may hold a step's last output and its end, so ends are handled last.
        let vertexes = (status["vertexes"]?.arrayValue ?? []).compactMap(Vertex.init)
        for vertex in vertexes { takeBegin(of: vertex, into: &text) }
        for item in status["statuses"]?.arrayValue ?? [] {
            guard let (_, number) = step(of: item), let name = item["id"]?.stringValue else { continue }
            addStatus(name)
            if name == Self.layersStatus, let start = item["started"]?.stringValue.flatMap(secondsOfTime),
                let end = item["completed"]?.stringValue.flatMap(secondsOfTime)
            {
                layersSeconds = max(0, end - start)
            }
            if item["completed"]?.stringValue != nil { show("#\(number) \(mask.masked(name)) done", in: &text) }
        }
        for item in status["logs"]?.arrayValue ?? [] { takeLog(item, into: &text) }
        for item in status["warnings"]?.arrayValue ?? [] {
            guard let (_, number) = step(of: item), let short = item["short"]?.stringValue else { continue }
            show("#\(number) WARN: ", mask.masked(base64Decoded(short)[...]), in: &text)
        }
        for vertex in vertexes { takeEnd(of: vertex, into: &text) }
    }

    private struct Vertex {
        let key: String
        let name: String
        let started: Double?
        let completed: Double?
        let isCached: Bool
        let error: String

        /// nil for a step that is only announced.
        init?(_ value: JSONValue) {
            guard let key = value["digest"]?.stringValue, let name = value["name"]?.stringValue else { return nil }
            self.key = key
            self.name = name
            started = value["started"]?.stringValue.flatMap(secondsOfTime)
            completed = value["completed"]?.stringValue.flatMap(secondsOfTime)
            isCached = value["cached"]?.boolValue == true
            error = value["error"]?.stringValue ?? ""
            guard started != nil || isCached || !error.isEmpty else { return nil }
        }
    }

    private func step(of item: JSONValue) -> (key: String, number: Int)? {
        guard let key = item["vertex"]?.stringValue, let track = tracks[key] else { return nil }
        return (key, steps[track.index].number)
    }

    private mutating func takeBegin(of vertex: Vertex, into text: inout [UInt8]) {
        if tracks[vertex.key] == nil {
            let name = mask.masked(vertex.name)
            begin(vertex.key, number: steps.count + 1, name: name)
            show("#\(steps.count) \(name)", in: &text)
        }
        if let started = vertex.started { tracks[vertex.key]?.started = started }
    }

    private mutating func takeEnd(of vertex: Vertex, into text: inout [UInt8]) {
        let key = vertex.key
        guard let index = tracks[key]?.index else { return }
        let number = steps[index].number
        let seconds = vertex.completed.flatMap { end in tracks[key]?.started.map { max(0, end - $0) } }
        let before = steps[index].state
        if !vertex.error.isEmpty {
            flushPartial(key, number, into: &text)
            if vertex.error.hasSuffix("context canceled") {
                end(key, .cancelled, seconds: seconds)
                if before != .cancelled { show("#\(number) CANCELED", in: &text) }
            } else {
                let told = mask.masked(vertex.error)
                fail(key, vertex.error, shown: told, seconds: seconds)
                if before != .failed { show("#\(number) ERROR: \(told)", in: &text) }
            }
        } else if vertex.isCached {
            end(key, .cached)
            if steps[index].state != before { show("#\(number) CACHED", in: &text) }
        } else if vertex.completed != nil {
            flushPartial(key, number, into: &text)
            end(key, .done, seconds: seconds)
            if before != .done { show("#\(number) DONE\(seconds.map { " \(tenths($0))s" } ?? "")", in: &text) }
        }
    }

    private mutating func takeLog(_ item: JSONValue, into text: inout [UInt8]) {
        guard let (key, number) = step(of: item), let data = item["data"]?.stringValue else { return }
        var elapsed = 0.0
        if let time = item["timestamp"]?.stringValue.flatMap(secondsOfTime), let started = tracks[key]?.started {
            elapsed = max(0, time - started)
        }
        let output = item["stream"]?.intValue == 2 ? 1 : 0
        let shown = tracks[key]?.outputs[output].masked(base64Decoded(data)) ?? []
        var bytes = (tracks[key]?.partial ?? []) + shown
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            addLog(key, rest[..<end])
            show("#\(number) \(tenths(elapsed)) ", rest[..<end], in: &text)
            rest = rest[(end + 1)...]
        }
        bytes = Array(rest)
        if bytes.count > Self.partialBytes {
            // The line is too long to wait for its end. It is shown in pieces, so that nothing of it is lost.
            addLog(key, bytes[...])
            show("#\(number) \(tenths(elapsed)) ", bytes[...], in: &text)
            bytes = []
        }
        tracks[key]?.partial = bytes
    }

    private mutating func flushPartial(_ key: String, _ number: Int, into text: inout [UInt8]) {
        for output in tracks[key]?.outputs.indices ?? 0..<0 {
            let rest = tracks[key]?.outputs[output].finish() ?? []
            tracks[key]?.partial += rest
        }
        guard let partial = tracks[key]?.partial, !partial.isEmpty else { return }
        addLog(key, partial[...])
        show("#\(number) ", partial[...], in: &text)
        tracks[key]?.partial = []
    }

    private func show(_ line: String, _ bytes: ArraySlice<UInt8> = [], in text: inout [UInt8]) {
        text += line.utf8
        text += bytes
        text.append(UInt8(ascii: "\n"))
    }
}

private func tenths(_ seconds: Double) -> String {
    let tenths = Int((min(seconds, 1e9) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}
