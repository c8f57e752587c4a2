/// What can be typed for one program or one of its subcommands.
package struct CommandSyntax: Sendable {
    package struct Example: Sendable {
        package let purpose: String
        package let lines: [String]

        package init(_ purpose: String, _ lines: [String]) {
            self.purpose = purpose
            self.lines = lines
        }
    }

    /// A word and its meaning: an exit status, an environment variable without a flag, or a file.
    package struct Entry: Sendable {
        package let name: String
        package let meaning: String

        package init(_ name: String, _ meaning: String) {
            self.name = name
            self.meaning = meaning
        }
    }

    /// What a command works on, typed without a flag: it has to be given, once.
    package struct Operand: Sendable {
        package let name: String
        package let completion: Completion

        package init(_ name: String, _ completion: Completion) {
            self.name = name
            self.completion = completion
        }
    }

    package let name: String
    /// How the command is typed in full: the name of the program, and that of the subcommand.
    package let invocation: String
    package let summary: String
    package let usage: [String]
    package let subcommands: [CommandSyntax]
    package let operand: Operand?
    package let groups: [FlagGroup]
    package let examples: [Example]
    package let notes: [String]
    package let exits: [Entry]
    /// Environment variables that have no flag.
    package let variables: [Entry]
    package let files: [Entry]

    package init(
        _ invocation: String, summary: String, usage: [String], subcommands: [CommandSyntax] = [],
        operand: Operand? = nil, groups: [FlagGroup], examples: [Example] = [], notes: [String] = [],
        exits: [Entry] = [],
        variables: [Entry] = [], files: [Entry] = []
    ) {
        name = String(invocation.split(separator: " ").last ?? "")
        self.invocation = invocation
        self.summary = summary
        self.usage = usage
        self.subcommands = subcommands
        self.operand = operand
        self.groups = groups
        self.examples = examples
        self.notes = notes
        self.exits = exits
        self.variables = variables
        self.files = files
    }

    package var flags: [Flag] { groups.flatMap(\.flags) }

    /// What is typed to see every flag.
    package var wholeHelp: String {
        "\(invocation) \(Flag.help.name)\(groups.contains { !$0.further.isEmpty } ? " all" : "")"
    }

    package func flag(named name: String) -> Flag? {
        flags.first { flag in
            flag.names.contains(name) || flag.short.map { name == "-\($0)" } ?? false
        }
    }

    package func subcommand(named name: String) -> CommandSyntax? {
        subcommands.first { $0.name == name }
    }
}

extension CommandSyntax {
    package enum Question: Sendable { case help, version }

    /// A request for help or for the version is answered whatever else was typed.
    package func question(in arguments: [String]) -> Question? {
        let given = Set(arguments.compactMap { flag(named: $0)?.name })
        if given.contains(Flag.help.name) || asksForAll(arguments) { return .help }
        return given.contains(Flag.version.name) ? .version : nil
    }

    /// Whether all of the help is asked for: `--help all`.
    package func asksForAll(_ arguments: [String]) -> Bool {
        arguments.contains("\(Flag.help.name)=all")
            || zip(arguments, arguments.dropFirst()).contains { flag(named: $0)?.name == Flag.help.name && $1 == "all" }
    }
}
