import FoundationEssentials
import LianModel

/// One registry's credential, ready to be written for the runner.
package enum RegistryLogin: Equatable, Sendable {
    case basic(username: String, password: String)
    /// An OAuth refresh token, as credential helpers answer it under the user name `<token>`.
    case identityToken(String)

    /// As an entry of `auths` in a Docker config.
    package var json: JSONValue {
        switch self {
        case .basic(let username, let password):
            ["auth": .string(Self.auth(username, password))]
        case .identityToken(let token): ["identitytoken": .string(token)]
        }
    }

    /// What must appear in no output: the value, and the form in which it stands in a Docker config.
    package var secrets: [String] {
        switch self {
        case .basic(let username, let password): [password, Self.auth(username, password)]
        case .identityToken(let token): [token]
        }
    }

    /// As Docker configs and HTTP's basic authentication write it.
    static func auth(_ username: String, _ password: String) -> String {
        Data("\(username):\(password)".utf8).base64EncodedString()
    }
}
