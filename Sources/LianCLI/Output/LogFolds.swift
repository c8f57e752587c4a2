import LianModel
import LianSystem

/// What a CI system's log viewer needs to fold a log into groups.
struct LogFolds: Sendable {
    private enum Kind { case github, gitlab }

    private let kind: Kind?
    /// The folder to which the places of errors are relative.
    private let workspace: String?
    private var open: String?
    private var count = 0
    /// The word after which the viewer obeys commands in the log again.
    private var stopToken: String?

    init(environment: [String: String]) {
        if environment["GITHUB_ACTIONS"] == "true" {
            kind = .github
            workspace = environment["GITHUB_WORKSPACE"]
        } else if environment["GITLAB_CI"] == "true" {
            kind = .gitlab
            workspace = environment["CI_PROJECT_DIR"]
        } else {
            kind = nil
            workspace = nil
        }
    }

    /// Begins a group with this title; `holdsLog` says that the build's log stands in it.
    mutating func begin(_ title: String, holdsLog: Bool) -> String {
        let before = end()
        count += 1
        switch kind {
        case nil: return "\(title)\n"
        case .github:
            open = title
            guard holdsLog else { return "\(before)::group::\(title)\n" }
            // Nothing that a step prints may be a command to the viewer.
            var random = SystemRandomNumberGenerator()
            let token = "lian-" + String(random.next(), radix: 36) + String(random.next(), radix: 36)
            stopToken = token
            return "\(before)::group::\(title)\n::stop-commands::\(token)\n"
        case .gitlab:
            let name = "lian_build_\(count)"
            open = name
            return "\(before)\u{1B}[0Ksection_start:\(now):\(name)[collapsed=true]\r\u{1B}[0K\(title)\n"
        }
    }

    mutating func end() -> String {
        guard let ended = open else { return "" }
        open = nil
        switch kind {
        case .github?:
            defer { stopToken = nil }
            return "\(stopToken.map { "::\($0)::\n" } ?? "")::endgroup::\n"
        case .gitlab?: return "\u{1B}[0Ksection_end:\(now):\(ended)\r\u{1B}[0K\n"
        case nil: return ""
        }
    }

    /// The error as the viewer marks it, in the file's own line where that is known.
    func annotation(_ error: LianError) -> String {
        guard kind == .github else { return "" }
        let place = error.place.map { " file=\(property(relative($0.file))),line=\($0.line)" } ?? ""
        return "::error\(place)::\(escaped(onOneLine(error.message, limit: 1000)))\n"
    }

    private var now: Int { Timing.system.wallClock() / 1000 }

    private func relative(_ path: String) -> String {
        guard let workspace, path.hasPrefix("\(workspace)/") else { return path }
        return String(path.dropFirst(workspace.count + 1))
    }

    private func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "%" ? "%25" : String($1) }
    }

    private func property(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "%": result += "%25"
            case ":": result += "%3A"
            case ",": result += "%2C"
            case "\r": result += "%0D"
            case "\n": result += "%0A"
            default: result.append(character)
            }
        }
    }
}
