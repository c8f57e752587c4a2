/// The help pages, made from the syntax of the commands.
package enum HelpPage {
    /// Without `all`, the flags that most callers need, and how to see the rest.
    package static func page(for syntax: CommandSyntax, all: Bool = false) -> String {
        var lines = [syntax.summary, "", "Usage:"]
        lines += syntax.usage.map { "  \($0)" }
        if !syntax.subcommands.isEmpty {
            lines += ["", "Subcommands:"]
            lines += syntax.subcommands.map { "  \(padded($0.name, 12))\($0.summary)" }
        }
        for group in syntax.groups {
            let flags = all ? group.flags : group.common
            guard !flags.isEmpty else { continue }
            lines += ["", "\(group.title):"]
            for flag in flags { lines += rows(flag) }
        }
        let further = syntax.groups.reduce(0) { $0 + $1.further.count }
        if !all, further > 0 {
            lines += ["", "\(further) more flags: \(syntax.wholeHelp)"]
        }
        if !syntax.examples.isEmpty { lines += ["", "Examples:"] }
        for (index, example) in syntax.examples.enumerated() {
            if index > 0 { lines.append("") }
            lines.append("  # \(example.purpose)")
            lines += example.lines.map { "  \($0)" }
        }
        lines += [""] + syntax.notes
        if !syntax.exits.isEmpty {
            lines += wrap(
                "Exit: \(syntax.exits.map { "\($0.name) \($0.meaning)" }.joined(separator: ", ")).", to: width)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let column = 32
    private static let width = 100

    private static func rows(_ flag: Flag) -> [String] {
        let short = flag.short.map { "-\($0), " } ?? "    "
        let head = "  \(short)\(flag.names.joined(separator: ", "))\(flag.valueName.map { " \($0)" } ?? "")"
        var text = flag.help
        if flag.isRepeatable { text += " Repeatable." }
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
