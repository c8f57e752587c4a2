/// One flag of the command line. Parsing, help and completions all read this one description.
package struct Flag: Sendable {
    package enum Value: Equatable, Sendable {
        /// A switch: there or not.
        case none
        /// Takes a value, shown under this name in the help.
        case one(String)
        /// May be given again; each adds a value.
        case many(String)
    }

    package enum Completion: Equatable, Sendable {
        case nothing, file, folder
        case words([String])
    }

    package let name: String
    package let short: Character?
    package let value: Value
    package let environment: String?
    package let completion: Completion
    package let help: String

    package init(
        _ name: String, _ value: Value, short: Character? = nil, environment: String? = nil,
        completion: Completion = .nothing, _ help: String
    ) {
        self.name = name
        self.short = short
        self.value = value
        self.environment = environment
        self.completion = completion
        self.help = help
    }

    /// There or not.
    package static func toggle(_ name: String, short: Character? = nil, _ help: String) -> Flag {
        Flag(name, .none, short: short, help)
    }

    package var takesValue: Bool { value != .none }

    package var valueName: String? {
        switch value {
        case .none: nil
        case .one(let name), .many(let name): name
        }
    }
}

/// Flags that a person looks for together.
package struct FlagGroup: Sendable {
    package let title: String
    package let flags: [Flag]

    package init(_ title: String, _ flags: [Flag]) {
        self.title = title
        self.flags = flags
    }
}

package struct Subcommand: Sendable {
    package let name: String
    package let summary: String
    package let usage: [String]
    package let groups: [FlagGroup]
    package let examples: [(purpose: String, lines: [String])]
    package let notes: [String]

    package var flags: [Flag] { groups.flatMap(\.flags) }
}
