import LianModel

/// What BuildKit's check of a Dockerfile says. buildctl prints it for people:
///
///     WARNING: RULE - URL
///     MESSAGE
///     FILE:LINE
///     --------------------
///        1 | >>> lines of the file
///     --------------------
package struct DockerfileCheck: Sendable {
    package private(set) var findings: [CheckFinding] = []

    private static let label = "WARNING: "
    /// A Dockerfile has so many that nobody reads them.
    private static let limit = 1000

    package init(_ lines: [String], artifact: String) {
        var rest = lines[...]
        while let line = rest.popFirst() {
            guard line.hasPrefix(Self.label), findings.count < Self.limit else { continue }
            let head = line.dropFirst(Self.label.count)
            let dash = head.firstRange(of: " - ")
            var finding = CheckFinding(
                artifact: artifact, rule: String(dash.map { head[..<$0.lowerBound] } ?? head), message: "",
                url: dash.map { String(head[$0.upperBound...]) })
            var words: [String] = []
            while let next = rest.first, !next.hasPrefix(Self.label) {
                rest.removeFirst()
                if rest.first?.hasPrefix("-----") == true, let place = Self.place(next) {
                    finding.place = place
                    break
                }
                if !next.isEmpty { words.append(next) }
            }
            finding.message = words.joined(separator: " ")
            findings.append(finding)
        }
    }

    private static func place(_ text: String) -> CheckFinding.Place? {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
            let line = OutsideNumber.whole(text[text.index(after: colon)...])
        else { return nil }
        return CheckFinding.Place(file: String(text[..<colon]), line: line)
    }
}
