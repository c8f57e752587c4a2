import LianModel
import LianSystem

/// What was said of the server, by flags and environment variables.
package struct ServerOptions: Sendable {
    package var home: String?
    package var profile: String?
    package var server: String?
    package var apiKey: String?
    /// The key stands where every process of this machine can read it.
    package var apiKeyIsOnCommandLine = false
    package var tenant: String?

    package init() {}
}

/// The server that a command speaks to, and the key for it.
package struct ServerChoice: Sendable {
    package let url: HTTPURL
    package let apiKey: String
    package let tenant: String

    package init(
        _ options: ServerOptions, _ surroundings: Surroundings, _ report: inout CloacinaReport
    ) throws(CloacinaError) {
        tenant = options.tenant ?? "public"
        guard !tenant.isEmpty, tenant != ".", tenant != ".." else {
            throw CloacinaError(
                .invalidArgument, .arguments, "--tenant '\(tenant)' is no tenant", hint: "Name one, or leave it out.")
        }
        var profile: Profile?
        if options.profile != nil || options.server == nil || options.apiKey == nil {
            profile = try Self.profile(options, surroundings)
        }
        guard let server = options.server ?? profile?.server else {
            throw CloacinaError(
                .serverMissing, .arguments, "no server is named",
                hint: "Name it by --server, by CLOACINA_SERVER, or in a profile of config.toml.")
        }
        url = try Self.url(server)
        surroundings.detail("The server is \(url), the tenant \(tenant)")
        if url.scheme == .http, !url.isLoopback {
            report.warn(.serverInClear, "the key and the package go to \(url) over HTTP, where others can read them")
        }
        if let given = options.apiKey {
            apiKey = try Self.key(given, surroundings)
            if options.apiKeyIsOnCommandLine, !Self.isReference(given) {
                report.warn(
                    .secretOnCommandLine,
                    "every process of this machine can read --api-key: name env:NAME or file:PATH in its place")
            }
            return
        }
        guard let key = profile?.apiKey else {
            throw CloacinaError(
                .apiKeyMissing, .arguments, "no key is given for \(url)",
                hint: "Name it by --api-key, by CLOACINA_API_KEY, or in a profile of config.toml.")
        }
        // A key is a profile's secret: another server does not get it.
        guard let own = profile?.server, try Self.url(own) == url else {
            throw CloacinaError(
                .keyNotForServer, .arguments, "the key of the profile is for its own server, not for \(url)",
                hint: "Give the key for this server by --api-key.")
        }
        apiKey = try Self.key(key, surroundings)
    }

    private struct Profile {
        let server: String?
        let apiKey: String?
    }

    private static func profile(
        _ options: ServerOptions, _ surroundings: Surroundings
    ) throws(CloacinaError) -> Profile? {
        let home = options.home ?? surroundings.environment["HOME"].map { "\($0)/.cloacina" }
        let path = home.map { surroundings.path($0) + "/config.toml" }
        let config =
            try path.map { path throws(CloacinaError) in
                try TOMLFile(path, .configInvalid, .arguments)
            } ?? nil
        func invalid(_ what: String) -> CloacinaError {
            CloacinaError(
                .configInvalid, .arguments, "\(path ?? "config.toml"): \(what)", hint: "Mend it, then try again.")
        }
        var name = options.profile
        if name == nil, let value = config?.document["default_profile"] {
            guard let text = value.string else { throw invalid("default_profile must be a string") }
            name = text
        }
        guard let name else { return nil }
        guard let value = config?.document["profiles"]?.table?[name] else {
            throw CloacinaError(
                .profileUnknown, .arguments, "\(path ?? "config.toml") has no profile '\(onOneLine(name, limit: 60))'",
                hint: "Add [profiles.NAME] with server and api_key.")
        }
        guard let table = value.table else { throw invalid("profiles.\(name) must be a table") }
        var texts: [String: String] = [:]
        for key in ["server", "api_key"] {
            guard let value = table[key] else { continue }
            guard let text = value.string else { throw invalid("profiles.\(name).\(key) must be a string") }
            texts[key] = text
        }
        return Profile(server: texts["server"], apiKey: texts["api_key"])
    }

    private static func url(_ text: String) throws(CloacinaError) -> HTTPURL {
        do throws(InvalidHTTPURL) { return try HTTPURL(text) } catch {
            throw CloacinaError(
                .invalidArgument, .arguments, "the server's address \(error.rule)",
                hint: "For example https://cloacina.example")
        }
    }

    // MARK: The key

    private static func isReference(_ given: String) -> Bool {
        ["env:", "file:", "keyring:"].contains { given.hasPrefix($0) }
    }

    private static func key(_ given: String, _ surroundings: Surroundings) throws(CloacinaError) -> String {
        func refusal(_ what: String) -> CloacinaError {
            CloacinaError(
                .apiKeyMissing, .arguments, what, hint: "Put the key there, or name another place by --api-key.")
        }
        var key = given
        if given.hasPrefix("keyring:") {
            throw CloacinaError(
                .keyringUnsupported, .arguments, "keys are not read from a keyring here",
                hint: "Name env:NAME or file:PATH.")
        } else if given.hasPrefix("env:") {
            let name = String(given.dropFirst(4))
            guard let value = surroundings.environment[name], !value.isEmpty else {
                throw refusal("the environment variable \(onOneLine(name, limit: 60)) that holds the key is not set")
            }
            key = value
        } else if given.hasPrefix("file:") {
            let path = String(given.dropFirst(5))
            let text: String
            do throws(FileReadFailure) { text = try readText(surroundings.path(path), limit: 1 << 16) } catch {
                throw refusal("\(path), which holds the key, cannot be read: \(error.reason)")
            }
            let lines = text.split(whereSeparator: \.isNewline).map(trimmed)
            guard let line = lines.first(where: { !$0.isEmpty }) else { throw refusal("\(path) holds no key") }
            key = line
        }
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refusal("the key holds white space, or characters beyond ASCII")
        }
        return key
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line
        while line.first?.isWhitespace == true { line = line.dropFirst() }
        while line.last?.isWhitespace == true { line = line.dropLast() }
        return String(line)
    }
}
