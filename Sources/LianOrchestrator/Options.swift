import LianModel

/// The command line of `lian-orchestrator`.
package struct Options: Equatable, Sendable {
    package enum Action: Equatable, Sendable { case serve, sweep, help, version }
    package enum OnStop: String, CaseIterable, Sendable { case destroy, keep }

    package var action = Action.serve
    package var state: String?
    package var listen = ListenAddress(host: "127.0.0.1", port: 9011)
    package var tokenFile: String?
    package var engine = EngineChoice.auto
    package var capacity = 16
    package var onStop = OnStop.destroy
    package var log: EventLog.Form?

    package static let capacityRange = 1...10_000

    package static let help = """
        Serves build runners on this machine: each with its own sshd and its own build engine.

        Usage: lian-orchestrator [FLAGS]

          --listen ADDR:PORT      where to serve (127.0.0.1:9011); port 0 takes a free one
          --state DIR             where everything is kept ($XDG_STATE_HOME/lian-orchestrator, else
                                  $HOME/.local/state/lian-orchestrator)
          --token-file FILE       the token that clients must send; without it ORCHESTRATOR_TOKEN, and without
                                  that one is made at DIR/token
          --engine NAME           auto, buildkit, dockerd or docker (auto: the first of them that is there)
          --capacity N            how many runners there may be at once (16)
          --on-stop WHAT          destroy or keep the runners when this stops (destroy)
          --log FORM              json or text (text on a terminal, else json)
          --sweep                 remove what an earlier run left behind, and exit
          --help, --version

        """

    /// Why a command line is not understood.
    package struct Problem: Error, Equatable, CustomStringConvertible, Sendable {
        package let description: String
    }

    package init() {}

    package init(_ arguments: [String]) throws(Problem) {
        var rest = arguments[...]
        var seen: Set<String> = []
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(parts[0])
            guard Self.flags.contains(flag) else { throw Self.unknown(flag) }
            guard seen.insert(flag).inserted else { throw Problem(description: "\(flag) is given twice") }
            if let action = Self.actions[flag] {
                guard parts.count == 1 else { throw Problem(description: "\(flag) takes no value") }
                self.action = action
                // Whoever asks for help gets it, whatever else stands there.
                if action == .help || action == .version { return }
                continue
            }
            guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst(), !value.isEmpty else {
                throw Problem(description: "\(flag) needs a value")
            }
            try set(flag, value)
        }
    }

    private static let actions: [String: Action] = [
        "--sweep": .sweep, "--help": .help, "-h": .help, "--version": .version,
    ]

    private static let flags =
        ["--state", "--listen", "--token-file", "--engine", "--capacity", "--on-stop", "--log"] + actions.keys

    private static func unknown(_ flag: String) -> Problem {
        guard flag.hasPrefix("-") else { return Problem(description: "unexpected argument '\(flag)'") }
        let hint = nearestName(to: flag, among: flags).map { "; did you mean \($0)?" } ?? ""
        return Problem(description: "unknown flag \(flag)\(hint)")
    }

    private mutating func set(_ flag: String, _ value: String) throws(Problem) {
        switch flag {
        case "--state": state = value
        case "--token-file": tokenFile = value
        case "--listen":
            guard let address = ListenAddress(value) else {
                throw Problem(
                    description: "--listen wants an address in digits and a port, 127.0.0.1:9011, not '\(value)'")
            }
            listen = address
        case "--capacity":
            guard let number = Int(value), Self.capacityRange.contains(number) else {
                throw Problem(
                    description: "--capacity wants a number from \(Self.capacityRange.lowerBound) to "
                        + "\(Self.capacityRange.upperBound), not '\(value)'")
            }
            capacity = number
        case "--engine": engine = try Self.word(flag, value)
        case "--on-stop": onStop = try Self.word(flag, value)
        default: log = try Self.word(flag, value)
        }
    }

    private static func word<Word: RawRepresentable & CaseIterable>(
        _ flag: String, _ value: String
    ) throws(Problem) -> Word where Word.RawValue == String {
        guard let word = Word(rawValue: value) else {
            let names = Word.allCases.map(\.rawValue)
            let hint = nearestName(to: value, among: names).map { "; did you mean \($0)?" } ?? ""
            throw Problem(description: "\(flag) wants one of \(names.joined(separator: ", ")), not '\(value)'\(hint)")
        }
        return word
    }
}
