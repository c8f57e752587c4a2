import LianModel

/// The given flags by name. A flag wins over its environment variable.
package struct ParsedArguments: Equatable, Sendable {
    package enum Origin: Equatable, Sendable {
        case flag
        case environment(String)
    }

    /// What is typed to see what each flag of the command takes.
    package let wholeHelp: String
    /// What was typed without a flag; nil where the command takes nothing of the kind.
    package fileprivate(set) var operand: String?
    private var values: [String: [String]] = [:]
    private var origins: [String: Origin] = [:]

    package func has(_ name: String) -> Bool { values[name] != nil }
    package func value(_ name: String) -> String? { values[name]?.last }
    package func all(_ name: String) -> [String] { values[name] ?? [] }
    package func origin(_ name: String) -> Origin? { origins[name] }

    /// The name under which the user knows the flag: its own, or that of the variable used in its place.
    package func displayName(_ name: String) -> String {
        if case .environment(let variable) = origins[name] { return variable }
        return name
    }

    fileprivate init(to syntax: CommandSyntax) {
        wholeHelp = syntax.wholeHelp
    }

    mutating fileprivate func add(_ value: String, to name: String, from origin: Origin) {
        values[name, default: []].append(value)
        origins[name] = origin
    }
}

package enum ArgumentParser {
    /// Reads `--flag value`, `--flag=value`, switches, and the operand where the command has one. Unknown flags,
    /// repeated ones and those without their value are refused.
    package static func parse(
        _ arguments: [String], for syntax: CommandSyntax, environment: [String: String]
    ) throws(LianError) -> ParsedArguments {
        var parsed = ParsedArguments(to: syntax)
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument != "-" else {
                if syntax.operand != nil, parsed.operand == nil, !argument.isEmpty {
                    parsed.operand = argument
                    continue
                }
                // A value that lost its flag may be a secret, so it is repeated only if it looks like a plain word or
                // path.
                let isPlain = argument.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz./-".utf8.contains($0) }
                let word = isPlain ? "'\(shown(argument))'" : "argument \(arguments.count - rest.count)"
                let rule = syntax.operand.map { "one \($0.name)" } ?? "no other arguments"
                throw problem(syntax, "\(word) is not a flag; \(syntax.name) takes \(rule)")
            }
            let (name, attached) = split(argument)
            guard let flag = syntax.flag(named: name) else { throw unknown(name, syntax) }
            guard flag.takesValue else {
                guard attached == nil else { throw problem(syntax, "\(flag.name) takes no value") }
                if !parsed.has(flag.name) { parsed.add("", to: flag.name, from: .flag) }
                continue
            }
            guard let value = attached ?? followingValue(&rest, syntax) else {
                throw problem(
                    syntax, "\(flag.name) needs a value: \(flag.name) \(flag.valueName ?? "")",
                    hint: "A value that starts with '-' is written \(flag.name)=VALUE.")
            }
            if case .one = flag.value, parsed.has(flag.name) {
                throw problem(syntax, "\(flag.name) is given twice; it takes one value")
            }
            parsed.add(value, to: flag.name, from: .flag)
        }
        if let operand = syntax.operand, parsed.operand == nil {
            throw problem(syntax, "\(operand.name) is missing: \(syntax.usage.first ?? syntax.invocation)")
        }
        // CI systems leave a variable empty to say that it has no value.
        for flag in syntax.flags where !parsed.has(flag.name) {
            guard let variable = flag.environment, let value = environment[variable], !value.isEmpty else { continue }
            parsed.add(value, to: flag.name, from: .environment(variable))
        }
        return parsed
    }

    private static func split(_ argument: String) -> (name: String, value: String?) {
        guard let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
        return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
    }

    /// The next argument, unless it is clearly the next flag: in "--image --ssh-key k" the first flag lacks its value.
    private static func followingValue(_ rest: inout ArraySlice<String>, _ syntax: CommandSyntax) -> String? {
        guard let next = rest.first else { return nil }
        if next.hasPrefix("-"), next != "-", syntax.flag(named: split(next).name) != nil { return nil }
        return rest.popFirst()
    }

    private static func unknown(_ name: String, _ syntax: CommandSyntax) -> LianError {
        let nearest = nearestName(to: name, among: syntax.flags.map(\.name))
        let suggestion = nearest.map { "; did you mean \($0)?" } ?? ""
        return problem(syntax, "\(shown(name)) is not a flag of \(syntax.name)\(suggestion)")
    }

    private static func problem(_ syntax: CommandSyntax, _ message: String, hint: String? = nil) -> LianError {
        LianError(
            .invalidArgument, .arguments, message,
            hint: hint ?? "\(syntax.wholeHelp) lists every flag.")
    }

    /// A typed word may be long, or a misplaced secret, so only its start is repeated.
    private static func shown(_ word: String) -> String {
        word.count > 40 ? String(word.prefix(37)) + "…" : word
    }
}
