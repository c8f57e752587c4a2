/// The script works without the package bash-completion.
struct BashCompletion {
    let program: CommandSyntax

    var lines: [String] {
        ["# Completion of \(program.name) for bash.", "\(function)() {"] + Self.wholeWords + position
            + ["  case \"$command $flag\" in"] + values + Self.otherwise + names + ["      ;;", "  esac"] + Self.reply
            + ["}", "complete -F \(function) \(program.name)"]
    }

    private var function: String { "_\(program.name.map { $0 == "-" ? "_" : $0 }.map(String.init).joined())" }

    private static let wholeWords = [
        "  # Bash takes words apart at '=', ':' and '@'; here they are whole again, up to the cursor.",
        "  local words=() rest=${COMP_LINE:0:COMP_POINT} before i",
        "  for ((i = 0; i <= COMP_CWORD; i++)); do",
        "    before=$rest",
        "    rest=${rest#\"${rest%%[![:space:]]*}\"}",
        "    if ((i == 0)) || [[ $rest != \"$before\" ]]; then words+=(''); fi",
        "    if ((i == COMP_CWORD)); then words[-1]+=$rest; else words[-1]+=${COMP_WORDS[i]}; fi",
        "    rest=${rest#\"${COMP_WORDS[i]}\"}",
        "  done",
        "",
    ]

    /// Finds out the subcommand, the flag whose value is being typed, and what has been typed of the value.
    private var position: [String] {
        [
            "  local current=${words[-1]} command='' flag='' value='' choices='' paths='' marker=''"
        ]
            + program.levels.filter { !$0.subcommands.isEmpty }.map(step) + [
                "  if [[ $current == --*=* ]]; then",
                "    flag=${current%%=*} value=${current#*=}",
                "  elif ((${#words[@]} > 1)); then",
                "    flag=${words[-2]} value=$current",
                "  fi",
            ]
    }

    /// One word more of the command, where it is a group of others.
    private func step(into group: CommandSyntax) -> String {
        let index = group.words.count + 1
        let word = "${words[\(index)]}"
        let isTyped = "${#words[@]} -gt \(index + 1) && \(word) != -*"
        return index == 1
            ? "  if [[ \(isTyped) ]]; then command=\(word); fi"
            : "  if [[ $command == \(singleQuoted(command(group))) && \(isTyped) ]]; then command+=\" \(word)\"; fi"
    }

    private var values: [String] {
        program.levels.flatMap { level in
            level.flags.filter(\.takesValue).map { flag in
                let completion = flag.completion
                var settings: [String] = []
                if !completion.words.isEmpty {
                    settings.append("choices=\(singleQuoted(completion.words.joined(separator: " ")))")
                }
                switch completion.paths {
                case .files: settings.append("paths=-f")
                case .folders: settings.append("paths=-d")
                case nil: break
                }
                if let marker = completion.marker { settings.append("marker=\(singleQuoted(marker))") }
                let names = flag.names.map { singleQuoted("\(command(level)) \($0)") }.joined(separator: " | ")
                return "    \(names)) \(settings.isEmpty ? "" : settings.joined(separator: " ") + " ");;"
            }
        }
    }

    private static let otherwise = [
        "    *)",
        "      value=$current",
    ]

    private var names: [String] {
        ["      case $command in"]
            + program.levels.map { level in
                let flags = level.flags.flatMap { flag in (flag.short.map { ["-\($0)"] } ?? []) + flag.names }
                let words = level.subcommands.map(\.name) + flags
                return
                    "        \(singleQuoted(command(level)))) choices=\(singleQuoted(words.joined(separator: " ")))"
                    + operand(of: level) + " ;;"
            } + ["      esac"]
    }

    private func operand(of level: CommandSyntax) -> String {
        switch level.operand?.completion.paths {
        case .files: "; [[ $current == -* ]] || paths=-f"
        case .folders: "; [[ $current == -* ]] || paths=-d"
        case nil: ""
        }
    }

    private func command(_ level: CommandSyntax) -> String { level.words.joined(separator: " ") }

    private static let reply = [
        "  if [[ $marker && $value != *\"$marker\"* ]]; then return; fi",
        "  if [[ $marker ]]; then value=${value#*\"$marker\"}; fi",
        "",
        "  # What stands before the value stays, less what readline keeps by itself: all up to its last word break.",
        "  local typed=${current%\"$value\"} breaks=${COMP_WORDBREAKS//[^=:]/} reply",
        "  value=${value//\\\\/}",
        "  COMPREPLY=()",
        "  while IFS= read -r reply; do",
        "    if [[ $breaks ]]; then reply=${reply#\"${current%\"${current##*[$breaks]}\"}\"}; fi",
        "    COMPREPLY+=(\"$reply\")",
        "  done < <(",
        "    if [[ $choices ]]; then compgen -P \"$typed\" -W \"$choices\" -- \"$value\"; fi",
        "    if [[ $paths ]]; then compgen -P \"$typed\" \"$paths\" -- \"$value\"; fi)",
        "  if [[ $paths ]]; then compopt -o filenames; fi",
    ]
}
