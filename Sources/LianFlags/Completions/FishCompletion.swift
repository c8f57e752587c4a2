struct FishCompletion {
    let program: CommandSyntax

    var lines: [String] {
        ["# Completion of \(program.name) for fish."] + pathsAfterMarker + ["complete -c \(program.name) -f"]
            + program.levels.flatMap { level in
                level.subcommands.map { "\(start(level)) -a \($0.name) -d \(quoted($0.summary))" }
            } + program.levels.flatMap { level in operand(of: level) + level.flags.map { line($0, of: level) } }
    }

    private var pathsFunction: String { "__\(program.name)_paths" }

    /// Completes values in which a path follows a marker.
    private var pathsAfterMarker: [String] {
        guard program.levels.contains(where: { $0.flags.contains { $0.completion.marker != nil } }) else { return [] }
        return [
            "function \(pathsFunction) --argument-names lister marker",
            "    set -l value (string replace -r -- '^--[a-z-]*=' '' (commandline -ct))",
            "    set -l parts (string split -m 1 -- $marker $value)",
            "    test (count $parts) -eq 2; and string join \\n -- $parts[1]$marker($lister $parts[2])",
            "end",
        ]
    }

    private func start(_ level: CommandSyntax) -> String {
        let condition: String? =
            if level.words.isEmpty {
                program.subcommands.isEmpty ? nil : "__fish_use_subcommand"
            } else {
                conditions(of: level).joined(separator: "; and ")
            }
        return "complete -c \(program.name)" + (condition.map { " -n \(quoted($0))" } ?? "")
    }

    /// All words of the command were typed, and none that leads on to another one.
    private func conditions(of level: CommandSyntax) -> [String] {
        let others =
            level.subcommands.map(\.name)
            + program.subcommands.filter { group in
                group.name != level.words.first && group.subcommands.contains { level.words.contains($0.name) }
            }.map(\.name)
        return level.words.map { "__fish_seen_subcommand_from \($0)" }
            + (others.isEmpty ? [] : ["not __fish_seen_subcommand_from \(others.joined(separator: " "))"])
    }

    private func operand(of level: CommandSyntax) -> [String] {
        switch level.operand?.completion.paths {
        case .files: ["\(start(level)) -F"]
        case .folders: ["\(start(level)) -a \(quoted("(__fish_complete_directories)"))"]
        case nil: []
        }
    }

    private func line(_ flag: Flag, of level: CommandSyntax) -> String {
        let short = flag.short.map { " -s \($0)" } ?? ""
        let value = flag.takesValue ? " \(self.value(flag.completion))" : ""
        let names = flag.names.map { " -l \($0.drop { $0 == "-" })" }.joined()
        return "\(start(level))\(short)\(names)\(value) -d \(quoted(flag.help))"
    }

    private func value(_ completion: Completion) -> String {
        let lister = completion.paths == .folders ? "__fish_complete_directories" : "__fish_complete_path"
        if let marker = completion.marker { return "-x -a \(quoted("(\(pathsFunction) \(lister) \(marker))"))" }
        let words = completion.words.isEmpty ? "" : " -a \(quoted(completion.words.joined(separator: " ")))"
        return switch completion.paths {
        case .files: "-r -F\(words)"
        case .folders: "-x -a \(quoted("(\(lister))"))"
        case nil: "-x\(words)"
        }
    }

    private func quoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
    }
}
