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
    /// The program itself, and its subcommands.
    var levels: [CommandSyntax] { [self] + subcommands }
}

/// In single quotes, as bash and zsh read them.
func singleQuoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
}
