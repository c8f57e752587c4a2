import LianModel

/// The help pages, made from the table of flags.
package enum HelpPage {
    package static func general() -> String {
        var lines = [
            "lian-build \(lianBuildVersion): container builds on ephemeral remote BuildKit runners.",
            "",
            "Usage: lian-build SUBCOMMAND [flags]",
            "",
        ]
        lines += Subcommand.all.map { "  \(padded($0.name, 12))\($0.summary)" }
        lines += [
            "",
            "  lian-build SUBCOMMAND --help shows its flags; lian-build --version the version.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    package static func page(for subcommand: Subcommand) -> String {
        var lines = [subcommand.summary, "", "Usage:"]
        lines += subcommand.usage.map { "  \($0)" }
        for group in subcommand.groups {
            lines += ["", "\(group.title):"]
            for flag in group.flags { lines += rows(flag) }
        }
        if !subcommand.examples.isEmpty { lines += ["", "Examples:"] }
        for (index, example) in subcommand.examples.enumerated() {
            if index > 0 { lines.append("") }
            lines.append("  # \(example.purpose)")
            lines += example.lines.map { "  \($0)" }
        }
        lines += [""] + subcommand.notes
        return lines.joined(separator: "\n") + "\n"
    }

    private static let column = 32
    private static let width = 100

    private static func rows(_ flag: Flag) -> [String] {
        let short = flag.short.map { "-\($0), " } ?? "    "
        let head = "  \(short)\(flag.name)\(flag.valueName.map { " \($0)" } ?? "")"
        var text = flag.help
        if case .many = flag.value { text += " Repeatable." }
        if let variable = flag.environment { text += " [\(variable)]" }
        var wrapped = wrap(text, to: width - column)
        guard head.count < column else {
            return [head] + wrapped.map { padded("", column) + $0 }
        }
        let first = wrapped.isEmpty ? "" : wrapped.removeFirst()
        return [padded(head, column) + first] + wrapped.map { padded("", column) + $0 }
    }

    private static func wrap(_ text: String, to width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        return line.isEmpty ? lines : lines + [line]
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
