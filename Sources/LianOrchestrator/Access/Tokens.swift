import LianModel
import LianSystem
import Synchronization

/// The tokens that open the API. They can be replaced while requests come in.
package final class Tokens: Sendable {
    private let all: Mutex<[Token]>

    package init(_ tokens: [Token]) {
        all = Mutex(tokens)
    }

    package func replace(by tokens: [Token]) {
        all.withLock { $0 = tokens }
    }

    package enum Finding: Equatable, Sendable {
        case found(Token)
        /// Only who holds the token can hear this of it.
        case expired(name: String)
        case unknown
    }

    /// Whose token the header of a request carries. Each token is compared, and each by its hash: the time that this
    /// takes tells nothing about any of them.
    package func token(
        authorization header: String?, at time: Int = Timing.system.wallClock()
    ) -> Finding {
        guard let header else { return .unknown }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return .unknown }
        let hash = TokenHash(of: parts[1].utf8)
        let found = all.withLock { tokens in
            tokens.reduce(nil as Token?) { $1.hash.isSame(as: hash) ? $1 : $0 }
        }
        guard let found else { return .unknown }
        if let expires = found.expires, expires <= time { return .expired(name: found.name) }
        return .found(found)
    }

    /// Why a text cannot be a token; nil where it can.
    package static func problem(with token: String) -> String? {
        guard !token.isEmpty else { return "it is empty" }
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "it may contain visible ASCII characters only"
        }
        return nil
    }
}
