/// A Dockerfile's instructions and the lines where they begin. The contents of a heredoc are no instructions.
package struct DockerfileLines: Sendable {
    private let lines: [Substring]
    /// Each instruction on one line, its name in capitals and one space between its words, with the line on which it
    /// begins, counted from 1.
    package private(set) var instructions: [(text: String, line: Int)] = []

    package init(_ text: String) {
        // Swift treats "\r\n" as one character.
        lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        let escape = directive("escape").flatMap(\.last) ?? "\\"
        var begun: (text: String, line: Int)?
        var heredocs: [Heredoc] = []
        for (index, line) in lines.enumerated() {
            if let heredoc = heredocs.first {
                if heredoc.ends(at: line) { heredocs.removeFirst() }
                continue
            }
            let content = line.drop { $0 == " " || $0 == "\t" }
            if content.isEmpty || content.hasPrefix("#") { continue }
            let (before, number) = begun ?? ("", index + 1)
            let kept = line.lastIndex { $0 != " " && $0 != "\t" } ?? line.startIndex
            let goesOn = line[kept] == escape
            let text = before + (goesOn ? line[..<kept] : line)
            begun = goesOn ? (text, number) : nil
            if !goesOn {
                instructions.append((normalized(text), number))
                heredocs = Heredoc.all(in: normalized(text))
            }
        }
        if let begun { instructions.append((normalized(begun.text), begun.line)) }
    }

    package func text(ofLine line: Int) -> String? {
        line > 0 && line <= lines.count ? String(lines[line - 1]) : nil
    }

    /// The line of the step named `[stage 2/5] RUN …`, for engines that report no line; nil where no instruction, or
    /// more than one, has that text.
    package func line(ofStep name: String) -> Int? {
        guard name.hasPrefix("["), let close = name.firstIndex(of: "]") else { return nil }
        let wanted = normalized(name[name.index(after: close)...])
        let found = instructions.filter { $0.text == wanted }
        return found.count == 1 ? found[0].line : nil
    }

    /// The value of `# NAME=`, which counts as a directive only before everything else.
    package func directive(_ name: String) -> String? {
        for line in lines {
            guard line.first == "#" else { break }
            let setting = line.drop { $0 == "#" }.filter { $0 != " " && $0 != "\t" }
            if setting.lowercased().hasPrefix("\(name)=") { return String(setting.dropFirst(name.count + 1)) }
        }
        return nil
    }
}

/// The heredoc that a word like `<<EOF`, `<<-"EOF"` or `3<<EOF` begins.
private struct Heredoc {
    private let name: String
    /// Whether tabs before its end are ignored.
    private let dropsTabs: Bool

    static func all(in instruction: String) -> [Heredoc] {
        let words = instruction.split(separator: " ")
        guard let first = words.first, ["COPY", "ADD", "RUN"].contains(first) else { return [] }
        return words.dropFirst().compactMap(Heredoc.init)
    }

    private init?(_ word: Substring) {
        let rest = word.drop(while: \.isNumber)
        guard rest.hasPrefix("<<") else { return nil }
        dropsTabs = rest.hasPrefix("<<-")
        name = rest.dropFirst(dropsTabs ? 3 : 2).filter { $0 != "\"" && $0 != "'" }
        guard !name.isEmpty, !name.contains("<") else { return nil }
    }

    func ends(at line: Substring) -> Bool {
        (dropsTabs ? line.drop { $0 == "\t" } : line) == name
    }
}

/// The engine names an instruction in capitals, and its spaces are not always those of the file.
private func normalized(_ text: some StringProtocol) -> String {
    let words = text.split { $0 == " " || $0 == "\t" }
    guard let first = words.first else { return "" }
    let rest = words[1...].map { String($0) }
    return ([first.uppercased()] + rest).joined(separator: " ")
}
