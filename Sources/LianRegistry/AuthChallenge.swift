import LianModel

/// What a registry wants to be shown, as its WWW-Authenticate says.
enum AuthChallenge: Equatable {
    case basic
    /// A token, to be had at the realm.
    case bearer(realm: String, service: String?, scope: String?)

    /// Nil for a scheme that is not known, and for what cannot be read.
    init?(_ header: String) {
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        switch parts.first?.lowercased() {
        case "basic": self = .basic
        case "bearer":
            let values = Self.values(parts.dropFirst().first ?? "")
            guard let realm = values["realm"] else { return nil }
            self = .bearer(realm: realm, service: values["service"], scope: values["scope"])
        default: return nil
        }
    }

    /// `a="b,c",d=e`: a value in quotes may hold commas.
    private static func values(_ text: Substring) -> [String: String] {
        var values: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].drop { $0 == "," || $0 == " " }.lowercased()
            rest = rest[rest.index(after: equals)...]
            let isQuoted = rest.first == "\""
            if isQuoted { rest = rest.dropFirst() }
            let value = rest.prefix { isQuoted ? $0 != "\"" : $0 != "," }
            rest = rest[value.endIndex...].dropFirst()
            if values[name] == nil { values[name] = String(value) }
        }
        return values
    }
}
