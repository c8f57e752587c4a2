import LianModel

/// What the engine's own error lines say about the cause. It is given errors alone, never what a step printed.
package struct BuildErrorSigns: Equatable, Sendable {
    /// A step ended with `exit code: 137`, a SIGKILL.
    package private(set) var exit137 = false
    /// The text names a lack of memory: `cannot allocate memory`, or OOM or Killed as a word.
    package private(set) var outOfMemory = false
    /// The engine went away during the build.
    package private(set) var engineLost = false
    package private(set) var pushFailed = false
    /// The engine itself could not write: its disk is full.
    package private(set) var diskFull = false
    /// The last of the registry's troubles; nil where it had none, and where a step failed, since that would fail again.
    package var registryTrouble: RegistryTrouble? { stepFailed ? nil : trouble }

    private var trouble: RegistryTrouble?
    private var stepFailed = false

    /// Before 0.11, BuildKit quoted a step's command as it is, with its newlines. Counts the lines of such a command so
    /// far.
    private var openCommandLines = 0

    private static let openCommand = "executor failed running ["
    private static let openCommandLimit = 1000
    /// An argument of a command has at most 128 KB, and four times that if all of it is escaped.
    private static let lineLimit = 1 << 19

    package init() {}

    /// One line of an error.
    package mutating func read(_ line: String) {
        guard line.utf8.count <= Self.lineLimit else { return }
        var text = Substring(line)
        if openCommandLines > 0 {
            guard let end = text.range(ofLast: "]: ") else {
                openCommandLines = openCommandLines < Self.openCommandLimit ? openCommandLines + 1 : 0
                return
            }
            openCommandLines = 0
            text = text[end.upperBound...]
        } else if let start = text.range(ofFirst: Self.openCommand) {
            stepFailed = true
            judge(text[..<start.lowerBound])
            guard let end = text[start.upperBound...].range(ofLast: "]: ") else {
                openCommandLines = 1
                return
            }
            text = text[end.upperBound...]
        }
        judge(text)
    }

    private mutating func judge(_ text: Substring) {
        // Commands and file names stand in quotes, and may be called anything.
        let said = withoutQuotes(text)
        if let found = said.range(ofFirst: "exit code: 137"), said[found.upperBound...].first?.isNumber != true {
            exit137 = true
        }
        if said.range(ofFirst: "cannot allocate memory") != nil || said.containsWord("OOM")
            || said.containsWord("Killed")
        {
            outOfMemory = true
        }
        if said.range(ofFirst: "did not complete successfully") != nil { stepFailed = true }
        let isOfPush = said.range(ofFirst: "failed to push ") != nil
        if isOfPush { pushFailed = true }
        // What a registry says of its own disk comes in the words of a push.
        if !isOfPush, said.range(ofFirst: "no space left on device") != nil { diskFull = true }
        if let trouble = RegistryTrouble(said) {
            self.trouble = trouble
            return
        }
        // The Docker client says no more than this when its daemon dies.
        let isBareEOF = ["EOF", "unexpected EOF", "error: EOF", "error: unexpected EOF"].contains(said)
        if isBareEOF || Self.signsOfALostEngine.contains(where: { said.range(ofFirst: $0) != nil }) {
            engineLost = true
        }
    }

    /// The words of gRPC and of the Docker client. A registry that answers 503 or hangs up uses others.
    private static let signsOfALostEngine = [
        "code = Unavailable", "Unavailable: connection error", "Unavailable: error reading from server",
        "error reading from server: EOF", "Unavailable: closing transport", "transport is closing",
        "failed to receive status:", "error during connect:", "Cannot connect to the Docker daemon",
    ]
}

/// The text without everything in double quotes, in which a backslash escapes.
private func withoutQuotes(_ text: Substring) -> String {
    guard text.utf8.contains(UInt8(ascii: "\"")) else { return String(text) }
    var kept: [UInt8] = []
    var quoted = false
    var escaped = false
    for byte in text.utf8 {
        if escaped {
            escaped = false
        } else if byte == UInt8(ascii: "\\") {
            escaped = true
        } else if byte == UInt8(ascii: "\"") {
            quoted.toggle()
            continue
        }
        if !quoted { kept.append(byte) }
    }
    return String(decoding: kept, as: UTF8.self)
}

extension StringProtocol {
    func range(ofFirst text: String) -> Range<Index>? { range(of: text, backwards: false) }
    func range(ofLast text: String) -> Range<Index>? { range(of: text, backwards: true) }

    private func range(of text: String, backwards: Bool) -> Range<Index>? {
        let bytes = Array(utf8), wanted = Array(text.utf8)
        guard !wanted.isEmpty, bytes.count >= wanted.count else { return nil }
        let starts = 0...(bytes.count - wanted.count)
        func matches(_ start: Int) -> Bool {
            bytes[start] == wanted[0] && bytes[start..<(start + wanted.count)].elementsEqual(wanted)
        }
        guard let start = backwards ? starts.last(where: matches) : starts.first(where: matches) else { return nil }
        let lower = utf8.index(utf8.startIndex, offsetBy: start)
        return lower..<utf8.index(lower, offsetBy: wanted.count)
    }

    fileprivate func containsWord(_ word: String) -> Bool {
        utf8.split { !Identifier.isAlphanumeric($0) && $0 != UInt8(ascii: "_") }.contains {
            $0.elementsEqual(word.utf8)
        }
    }
}
