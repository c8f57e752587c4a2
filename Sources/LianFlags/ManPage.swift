/// Man pages in the macros of man(7), made from the syntax of the commands.
package enum ManPage {
    /// The section of all pages: section 1 is for programs that anyone may run.
    package static let section = 1

    package static func page(for program: CommandSyntax, version: String, seeAlso: [String]) -> String {
        let levels = program.levels
        var lines = [
            ".TH \(text(program.name.uppercased())) \(section) \"\" \"\(text("\(program.name) \(version)"))\" \"User Commands\"",
            // Words and flags are not broken across lines, so that they can be found and copied.
            ".nh", ".ad l", ".SH NAME", text("\(program.name) - \(lowercasedStart(program.summary))"),
            ".SH SYNOPSIS", ".nf",
        ]
        lines += levels.filter(\.subcommands.isEmpty).flatMap(\.usage).map { bold(text($0)) }
        lines += [".fi", ".SH DESCRIPTION"] + paragraphs([program.summary] + program.notes)
        for level in levels {
            lines.append(".SH \(level.name == program.name ? "OPTIONS" : "\"\(text(level.invocation.uppercased()))\"")")
            if level.name != program.name { lines += paragraphs([level.summary] + level.notes) }
            for group in level.groups { lines += [".SS \"\(text(group.title))\""] + group.flags.flatMap(entry) }
        }
        lines += section("EXIT STATUS", levels) { $0.exits.flatMap(entry) }
        lines += section("ENVIRONMENT", levels) { level in
            level.flags.compactMap { flag in
                flag.environment.map { CommandSyntax.Entry($0, "stands in for \(flag.name)") }
            }.flatMap(entry) + level.variables.flatMap(entry)
        }
        lines += section("FILES", levels) { $0.files.flatMap(entry) }
        lines += section("EXAMPLES", levels) { $0.examples.flatMap(example) }
        lines += [".SH SEE ALSO"] + seeAlso.map { ".BR \(text($0)) (\(section))" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One section, with a part for each level that has something to say; empty where no level has.
    private static func section(
        _ title: String, _ levels: [CommandSyntax], _ part: (CommandSyntax) -> [String]
    ) -> [String] {
        let parts = levels.map { (level: $0, lines: part($0)) }.filter { !$0.lines.isEmpty }
        guard !parts.isEmpty else { return [] }
        return [".SH \(title)"]
            + parts.flatMap { part in
                (parts.count > 1 ? [".SS \"\(text(part.level.invocation))\""] : []) + part.lines
            }
    }

    private static func entry(_ flag: Flag) -> [String] {
        let names = ((flag.short.map { ["-\($0)"] } ?? []) + flag.names).map { bold(text($0)) }
        let value = flag.valueName.map { " \\fI\(text($0))\\fR" } ?? ""
        var help = flag.help
        if flag.isRepeatable { help += " Repeatable." }
        if let variable = flag.environment { help += " [\(variable)]" }
        return [".TP", names.joined(separator: ", ") + value, text(help)]
    }

    private static func entry(_ entry: CommandSyntax.Entry) -> [String] {
        [".TP", bold(text(entry.name)), text("\(entry.meaning).")]
    }

    private static func example(_ example: CommandSyntax.Example) -> [String] {
        [".PP", text("\(example.purpose):"), ".PP", ".RS 4", ".EX"] + example.lines.map(text) + [".EE", ".RE"]
    }

    private static func paragraphs(_ texts: [String]) -> [String] {
        texts.flatMap { [".PP", text($0)] }
    }

    private static func bold(_ roff: String) -> String { "\\fB\(roff)\\fR" }

    private static func lowercasedStart(_ sentence: String) -> String {
        let start = sentence.prefix(1).lowercased() + sentence.dropFirst()
        return start.hasSuffix(".") ? String(start.dropLast()) : start
    }

    /// Text that roff prints unchanged: no part of it is read as a request, an escape or a typographic quote.
    private static func text(_ plain: String) -> String {
        let escaped = plain.map { character in
            switch character {
            case "\\": "\\e"
            case "-": "\\-"
            case "'": "\\(aq"
            case "\"": "\\(dq"
            case "`": "\\(ga"
            case "^": "\\(ha"
            case "~": "\\(ti"
            default: String(character)
            }
        }.joined()
        return escaped.hasPrefix(".") ? "\\&\(escaped)" : escaped
    }
}
