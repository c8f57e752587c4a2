import LianHTTP
import LianModel

/// One answer of the orchestrator's API, in its envelope {"success", "data", "error"}.
struct APIAnswer: Sendable {
    let response: HTTPResponse

    var status: Int { response.status }

    /// The envelope of an answer that says it went well.
    func successfulEnvelope() throws(SchemaViolation) -> RecordReader {
        let value: JSONValue
        do {
            value = try JSONValue.parse(response.body)
        } catch {
            throw SchemaViolation(path: "", rule: "is not JSON (\(error))")
        }
        var envelope = try JSONNode(value).record()
        let success = try envelope.required("success")
        guard try success.bool() else {
            throw SchemaViolation(path: "success", rule: "is false although the status is \(status)")
        }
        return envelope
    }

    func data() throws(SchemaViolation) -> JSONNode {
        var envelope = try successfulEnvelope()
        return try envelope.required("data")
    }

    /// The runner that the answer names, even where the rest of it cannot be used.
    var runnerID: String? {
        guard let value = try? JSONValue.parse(response.body), let id = value["data"]?["runner_id"]?.stringValue,
            Identifier.isID(id)
        else { return nil }
        return id
    }

    /// The word that stands for what is wrong; nil where the server gives none.
    var code: String? { (try? JSONValue.parse(response.body))?["error"]?["code"]?.stringValue }

    /// Whether the token is not taken: that again would not be either, and too many such requests came from here.
    var isTokenRefused: Bool { status == 401 || (status == 429 && code == "too_many_failures") }

    /// What the server says is wrong; an error is a record of code and message, or a plain string.
    var complaint: String? {
        guard let error = (try? JSONValue.parse(response.body))?["error"] else { return nil }
        if let text = error.stringValue { return text }
        let parts = [error["code"]?.stringValue, error["message"]?.stringValue].compactMap { $0 }
        return parts.isEmpty ? nil : parts.joined(separator: ": ")
    }
}
