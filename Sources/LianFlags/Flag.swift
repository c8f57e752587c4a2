/// One flag of a command line. Parsing, help, completions and man pages all read this one description.
package struct Flag: Sendable {
    package enum Value: Equatable, Sendable {
        /// A switch: it takes no value.
        case none
        /// Takes a value, shown under this name in the help.
        case one(String)
        /// May be given again; each adds a value.
        case many(String)
    }

    package let name: String
    /// Another name for it, which others' users know.
    package let alias: String?
    package let short: Character?
    package let value: Value
    package let environment: String?
    package let completion: Completion
    package let help: String

    package init(
        _ name: String, _ value: Value, alias: String? = nil, short: Character? = nil, environment: String? = nil,
        completion: Completion = .nothing, _ help: String
    ) {
        self.name = name
        self.alias = alias
        self.short = short
        self.value = value
        self.environment = environment
        self.completion = completion
        self.help = help
    }

    /// A flag that takes no value.
    package static func toggle(_ name: String, short: Character? = nil, _ help: String) -> Flag {
        Flag(name, .none, short: short, help)
    }

    /// Its long names.
    package var names: [String] { [name] + [alias].compactMap { $0 } }

    package var takesValue: Bool { value != .none }

    package var isRepeatable: Bool {
        if case .many = value { true } else { false }
    }

    package var valueName: String? {
        switch value {
        case .none: nil
        case .one(let name), .many(let name): name
        }
    }
}

/// What a shell offers as the value of a flag.
package struct Completion: Equatable, Sendable {
    package enum Paths: Sendable { case files, folders }

    package let words: [String]
    package let paths: Paths?
    /// The path begins behind the first of these markers; nil where the whole value is the path.
    package let marker: String?

    private init(words: [String] = [], paths: Paths? = nil, after marker: String? = nil) {
        self.words = words
        self.paths = paths
        self.marker = marker
    }

    package static let nothing = Completion()
    package static let file = Completion(paths: .files)
    package static let folder = Completion(paths: .folders)

    package static func file(after marker: String) -> Completion { Completion(paths: .files, after: marker) }
    package static func folder(after marker: String) -> Completion { Completion(paths: .folders, after: marker) }

    package static func file(or words: String...) -> Completion { Completion(words: words, paths: .files) }

    package static func words(_ words: [String]) -> Completion { Completion(words: words) }

    /// Offers the words that the flag's reader accepts.
    package static func choices<Choice: RawRepresentable & CaseIterable>(of: Choice.Type) -> Completion
    where Choice.RawValue == String {
        Completion(words: Choice.allCases.map(\.rawValue))
    }
}

/// Flags that belong together for a reader of the help.
package struct FlagGroup: Sendable {
    package let title: String
    /// What most callers need.
    package let common: [Flag]
    /// What the short help leaves out.
    package let further: [Flag]

    package init(_ title: String, _ common: [Flag], further: [Flag] = []) {
        self.title = title
        self.common = common
        self.further = further
    }

    package var flags: [Flag] { common + further }
}
