import Foundation
import LianFlags
import LianSystem
import LianTestSupport
import Testing

/// A program that prints completions, and the table that they are made of.
struct Program: Sendable, CustomTestStringConvertible {
    let syntax: CommandSyntax

    var executable: String { Project.executable(syntax.name) }
    var testDescription: String { syntax.name }

    func run(_ arguments: [String], in folder: URL) async throws -> (
        status: Termination, output: String, errors: String
    ) {
        let result = try await LianSystem.run(
            Command(executable, arguments, environment: ["PATH": "/usr/bin:/bin"], workingDirectory: folder.path),
            deadline: .seconds(60))
        return (result.termination, result.outputText, result.errorText)
    }
}

/// The real shell with a program's completions, in a folder with files to complete.
struct CompletingShell: Sendable {
    let shell: Shell
    let folder: URL
    let script: URL

    /// What the last word of each line has become at a press of the tab key, less the space or '=' behind it and the
    /// shell's quoting.
    func complete(_ lines: [String]) async throws -> [String] {
        let completed = shell == .fish ? try await candidates(lines) : try await typed(lines)
        try #require(completed.count == lines.count, "\(completed)")
        return completed
    }

    /// bash and zsh are typed to; a key that they have no use for writes the line to a file.
    private func typed(_ lines: [String]) async throws -> [String] {
        let keys = lines.map { "\($0)\t\u{18}\u{1}\u{b}" }.joined() + "\rexit\r"
        let command: String
        if shell == .bash {
            command = "bash --noprofile --rcfile .bashrc -i"
            try write(
                ".bashrc",
                """
                bind 'set bell-style none'
                source '\(script.path)'
                bind -x '"\\C-x": printf "%s\\n" "$READLINE_LINE" >>typed'
                """)
        } else {
            command = "zsh -i"
            try write(
                ".zshrc",
                """
                unsetopt beep list_beep
                autoload -U compinit && compinit -u -D
                source '\(script.path)'
                show() { print -r -- "$BUFFER" >>typed }
                zle -N show
                bindkey -e
                bindkey '^X' show
                """)
        }
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/script", ["-qec", command, "/dev/null"], environment: environment,
                workingDirectory: folder.path),
            input: .bytes(Array(keys.utf8)), deadline: .seconds(120))
        try #require(result.termination.isSuccess, "\(result.outputText)")
        let typed = try String(contentsOf: folder.appending(path: "typed"), encoding: .utf8)
        try FileManager.default.removeItem(at: folder.appending(path: "typed"))
        return zip(lines, typed.split(separator: "\n")).map { line, typed in
            let before = line.lastIndex(of: " ").map { line[...$0] } ?? ""
            guard typed.hasPrefix(before) else { return "not the same line: \(typed)" }
            var word = typed.dropFirst(before.count).filter { $0 != "\\" }
            if word.hasSuffix(" ") || word.hasSuffix("=") { word.removeLast() }
            return word
        }
    }

    /// fish tells by itself what it would offer.
    private func candidates(_ lines: [String]) async throws -> [String] {
        let body =
            "source '\(script.path)'\nfor line in $argv\n"
            + "    echo (complete -C $line | string replace -r '\\t.*' '' | string join '|')\nend\n"
        try write("complete.fish", body)
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/fish", ["--no-config", "complete.fish"] + lines, environment: environment,
                workingDirectory: folder.path),
            deadline: .seconds(120))
        try #require(result.termination.isSuccess && result.errorText.isEmpty, "\(result.errorText)")
        return result.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    private func write(_ name: String, _ text: String) throws {
        try (text + "\n").write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }

    private var environment: [String: String] {
        [
            "PATH": "/usr/bin:/bin", "HOME": folder.path, "ZDOTDIR": folder.path, "TERM": "dumb", "LANG": "C.UTF-8",
            "INPUTRC": "/dev/null",
        ]
    }
}

func withCompletions(
    of program: Program, in shell: Shell, _ body: (CompletingShell) async throws -> Void
) async throws {
    try await withTemporaryFolder { folder in
        try FileManager.default.createDirectory(
            at: folder.appending(path: "subfolder"), withIntermediateDirectories: true)
        for name in ["seed.nk", "sub.txt", "two words"] {
            try Data().write(to: folder.appending(path: name))
        }
        let (status, output, errors) = try await program.run(["--completions", shell.rawValue], in: folder)
        #expect(status.isSuccess)
        #expect(errors.isEmpty)
        let script = folder.appending(path: "completions")
        try output.write(to: script, atomically: true, encoding: .utf8)
        try await body(CompletingShell(shell: shell, folder: folder, script: script))
    }
}
