import LianHTTP
import LianModel
import LianSystem

/// The collector that takes a build's spans, by OTLP over HTTP in JSON.
struct Collector: Sendable {
    private let settings: TraceSettings
    private let http: HTTPClient

    init(_ settings: TraceSettings) throws(SystemError) {
        self.settings = settings
        http = try HTTPClient()
    }

    var context: TraceContext { settings.context }

    /// Sends the spans, or none to learn whether it takes any. Why it did not take them; nil where it did.
    func problem(sending spans: [Span]) async -> String? {
        let body =
            spans.isEmpty
            ? ["resourceSpans": []]
            : exportRequest(spans, traceID: context.traceID, resource: settings.resource)
        var request = HTTPRequest(
            .post, settings.server, settings.target, headers: settings.headers, body: body.encodedBytes())
        request.headers["Content-Type"] = "application/json"
        request.timeout = settings.timeout
        request.authorities = settings.authorities
        let place = settings.server.description + settings.target
        do {
            return try await Self.refusal(in: http.send(request)).map {
                onOneLine("\(place) \($0)", hiding: settings.mask)
            }
        } catch {
            return onOneLine("\(place): \(error)", hiding: settings.mask)
        }
    }

    private static func refusal(in answer: HTTPResponse) -> String? {
        guard (200..<300).contains(answer.status) else { return "answered \(answer.status)" }
        // A collector may take a part of the spans. Its count is a text, as all whole numbers of OTLP are.
        guard let partial = (try? JSONValue.parse(answer.body))?["partialSuccess"],
            let count = partial["rejectedSpans"].flatMap({ $0.stringValue ?? $0.intValue.map(String.init) }),
            count != "0"
        else { return nil }
        return "refused \(count) of the spans: \(partial["errorMessage"]?.stringValue ?? "it does not say why")"
    }
}
