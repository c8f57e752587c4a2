/// The script works both in a folder of `fpath` and with `source` after `compinit`.
struct ZshCompletion {
    let program: CommandSyntax

    var lines: [String] {
        ["#compdef \(program.name)", "# Completion of \(program.name) for zsh.", "_\(program.name)() {"]
            + (program.subcommands.isEmpty
                ? [] : ["  local context state state_descr line", "  typeset -A opt_args"])
            + Self.indented(body(of: program), by: 2) + [
                "}",
                "if [[ $funcstack[1] == _\(program.name) ]]; then",
                "  _\(program.name) \"$@\"",
                "else",
                "  compdef _\(program.name) \(program.name)",
                "fi",
            ]
    }

    private func body(of level: CommandSyntax) -> [String] {
        guard !level.subcommands.isEmpty else { return arguments(of: level, first: "_arguments") }
        let names = level.subcommands.map { singleQuoted("\($0.name):\($0.summary)") }.joined(separator: " ")
        let top =
            arguments(of: level, first: "_arguments -C").dropLast() + [
                "  \(specifications(of: level).last ?? "") \\",
                "  '1: :->subcommand' '*:: :->arguments' && return",
            ]
        return Array(top)
            + [
                "case $state in",
                "  subcommand)",
                "    local subcommands=(\(names))",
                "    _describe subcommand subcommands",
                "    ;;",
                "  arguments)",
                "    case $words[1] in",
            ]
            + level.subcommands.flatMap { subcommand in
                ["      \(subcommand.name))"] + Self.indented(body(of: subcommand), by: 8) + ["        ;;"]
            } + ["    esac", "    ;;", "esac"]
    }

    private func arguments(of level: CommandSyntax, first: String) -> [String] {
        let all = [first] + specifications(of: level).map { "  \($0)" }
        return all.dropLast().map { "\($0) \\" } + all.suffix(1)
    }

    private func specifications(of level: CommandSyntax) -> [String] {
        // One that cannot be completed is left out: zsh would offer nothing in its place, and no flags either.
        let operand =
            level.operand.flatMap { operand in
                operand.completion == .nothing
                    ? nil : [singleQuoted("1:\(operand.name):\(action(operand.completion))")]
            } ?? []
        return operand
            + level.flags.flatMap { flag -> [String] in
                let text = "[\(escaped(flag.help, "[]"))]"
                guard let value = flag.valueName else {
                    guard let short = flag.short else { return [singleQuoted(flag.name + text)] }
                    let excluded = "(-\(short) \(flag.name))"
                    return ["-\(short)", flag.name].map { singleQuoted(excluded + $0 + text) }
                }
                let times = flag.isRepeatable ? "*" : ""
                return flag.names.map { name in
                    // One name typed, the other is offered no more.
                    let others = flag.names.filter { $0 != name }.joined(separator: " ")
                    let excluded = others.isEmpty || flag.isRepeatable ? "" : "(\(others))"
                    return singleQuoted(
                        "\(times)\(excluded)\(name)=\(text):\(escaped(value, ":")):\(action(flag.completion))")
                }
            }
    }

    private func action(_ completion: Completion) -> String {
        let paths =
            switch completion.paths {
            case .files: "_files"
            case .folders: "_files -/"
            case nil: ""
            }
        if let marker = completion.marker { return "{ compset -P 1 \"*\(marker)\" && \(paths) }" }
        if completion.words.isEmpty { return paths.isEmpty ? " " : paths }
        let words = completion.words.joined(separator: " ")
        return paths.isEmpty ? "(\(words))" : "{ compadd -- \(words); \(paths) }"
    }

    private func escaped(_ text: String, _ special: String) -> String {
        text.map { special.contains($0) || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    }

    private static func indented(_ lines: [String], by spaces: Int) -> [String] {
        lines.map { String(repeating: " ", count: spaces) + $0 }
    }
}
