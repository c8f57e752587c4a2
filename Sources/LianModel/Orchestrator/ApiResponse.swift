/// The one form of every answer of the orchestrator.
package enum ApiResponse {
    package static func success(_ data: JSONValue) -> JSONValue {
        ["success": true, "data": data, "error": nil]
    }

    package static func failure(code: String, message: String) -> JSONValue {
        ["success": false, "data": nil, "error": ["code": .string(code), "message": .string(message)]]
    }
}
