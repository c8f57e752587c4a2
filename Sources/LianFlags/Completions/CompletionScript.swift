package enum Shell: String, CaseIterable, Sendable {
    case bash, zsh, fish
}

/// What a shell reads to complete a program's command line.
package enum CompletionScript {
    package static func of(_ program: CommandSyntax, for shell: Shell) -> String {
        let lines =
            switch shell {
            case .bash: BashCompletion(program: program).lines
            case .zsh: ZshCompletion(program: program).lines
            case .fish: FishCompletion(program: program).lines
            }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension CommandSyntax {
    /// The command itself, its subcommands, and theirs.
    package var levels: [CommandSyntax] { [self] + subcommands.flatMap(\.levels) }

    /// The words behind the program's name.
    package var words: [String] { invocation.split(separator: " ").dropFirst().map(String.init) }
}

/// In single quotes, as bash and zsh read them.
func singleQuoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
}
