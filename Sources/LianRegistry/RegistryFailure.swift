import LianHTTP
import LianModel

/// What a registry did not do.
package struct RegistryFailure: Error, Equatable, Sendable {
    /// To be shown: no secret is in it.
    package let reason: String
    /// Whether the registry may only have had a bad moment.
    package let isTransient: Bool
    /// How long it asked to be left alone; nil where it did not.
    package let pause: Duration?
    package let isCancelled: Bool

    package init(_ reason: String, isTransient: Bool = false, pause: Duration? = nil, isCancelled: Bool = false) {
        self.reason = reason
        self.isTransient = isTransient
        self.pause = pause
        self.isCancelled = isCancelled
    }

    init(_ server: HTTPURL, _ failure: HTTPFailure) {
        self.init(
            "\(server.origin) gave no answer: \(failure)", isTransient: failure.isTransient,
            isCancelled: failure.kind == .cancelled)
    }

    init(_ server: HTTPURL, _ response: HTTPResponse, hiding mask: SecretMask) {
        let error = (try? JSONValue.parse(response.body))?["errors"]?[0]
        let said = [error?["code"]?.stringValue, error?["message"]?.stringValue].compactMap { $0 }
        let words = said.isEmpty ? "" : " (\(onOneLine(said.joined(separator: ": "), hiding: mask)))"
        let status = response.status
        self.init(
            "\(server.origin) answered \(status)\(words)",
            isTransient: status == 408 || status == 429 || (500...599).contains(status),
            pause: response.retryAfter > .zero ? response.retryAfter : nil)
    }
}
