/// One event as it goes over the wire: CloudEvents 1.0, JSON.
package struct CloudEvent: Equatable, Sendable {
    /// The same event keeps its id, however often it is sent.
    package let id: String
    package let source: String
    package let type: String
    package let subject: String
    package let time: UTCTime
    package let data: JSONValue
}

extension CloudEvent: JSONEncodable {
    package var json: JSONValue {
        [
            "specversion": "1.0", "id": .string(id), "source": .string(source), "type": .string(type),
            "subject": .string(subject), "time": .string(time.rfc3339), "datacontenttype": "application/json",
            "data": data,
        ]
    }
}
