import LianModel

/// What a registry wants to be shown, as its WWW-Authenticate says.
enum AuthChallenge: Equatable {
    case basic
    /// A token, to be had at the realm.
    case bearer(realm: String, service: String?, scope: String?)

    /// Where there is a choice, a token rather than a password. Nil where no scheme is known, and for what cannot be
    /// read.
    init?(_ header: String) {
        var scan = Scan(header)
        var takesPasswords = false
        while let offer = scan.next() {
            switch offer.scheme {
            case "bearer":
                guard let realm = offer.values["realm"] else { continue }
                self = .bearer(realm: realm, service: offer.values["service"], scope: offer.values["scope"])
                return
            case "basic": takesPasswords = true
            default: continue
            }
        }
        guard takesPasswords else { return nil }
        self = .basic
    }

    /// `Basic realm="a", Bearer realm="b,c",service=d`: schemes with values, which may hold commas in quotes.
    private struct Scan {
        private var rest: Substring.UTF8View

        init(_ header: String) {
            rest = header[...].utf8
        }

        /// The next scheme, with the values that follow it.
        mutating func next() -> (scheme: String, values: [String: String])? {
            guard let scheme = word(), !scheme.isEmpty else { return nil }
            var values: [String: String] = [:]
            while true {
                let before = rest
                guard let name = word(), take("=") else {
                    // It was the next scheme.
                    rest = before
                    return (scheme, values)
                }
                let value = value()
                if values[name] == nil { values[name] = value }
            }
        }

        /// The next word, in small letters; nil at the end.
        private mutating func word() -> String? {
            rest = rest.drop { Self.isSpace($0) || $0 == UInt8(ascii: ",") }
            guard !rest.isEmpty else { return nil }
            let word = rest.prefix { !Self.isSpace($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
            rest = rest[word.endIndex...]
            skipSpace()
            return String(decoding: word, as: UTF8.self).lowercased()
        }

        private mutating func value() -> String {
            skipSpace()
            guard take("\"") else {
                let value = rest.prefix { !Self.isSpace($0) && $0 != UInt8(ascii: ",") }
                rest = rest[value.endIndex...]
                return String(decoding: value, as: UTF8.self)
            }
            var value: [UInt8] = []
            while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                // A backslash stands before what is to be taken as it is.
                value.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
            }
            return String(decoding: value, as: UTF8.self)
        }

        private mutating func take(_ mark: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: mark) else { return false }
            rest = rest.dropFirst()
            return true
        }

        private mutating func skipSpace() {
            rest = rest.drop(while: Self.isSpace)
        }

        private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    }
}
