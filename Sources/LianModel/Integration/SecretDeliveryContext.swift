/// The request to `integrate`: it asks whether this machine could build for the caller. The contract is
/// schemas/integration.ncl; fields that it does not know are let through.
package struct SecretDeliveryContext: Sendable {
    package let requestID: String
    package let workspace: String
    package let secrets: [DeliveredSecret]
    /// Not validated yet, since that is one of the checks. Nil where the request has no directives.
    package let directives: JSONNode?
    /// The checks to make, in the order of the answer.
    package let checks: [IntegrationCheck]
    package let deadline: UTCTime?

    package static let schema = "secret-delivery-context/v1"

    package init(_ value: JSONValue) throws(SchemaViolation) {
        // A secret may be anywhere in the request by mistake, so no error shows the value that it found.
        var record = try JSONNode(value).secret().record()
        let schema = try record.required("schema")
        guard try schema.string() == Self.schema else { throw schema.violation("must be \"\(Self.schema)\"") }
        requestID = try record.required("request_id").text(.line)
        workspace = try record.required("workspace").text(.slug)
        if let actor = try record.optional("actor") {
            var actor = try actor.record()
            _ = try actor.required("id").text(.line)
            _ = try actor.required("kind").choice(of: ActorKind.self)
        }
        let list = try record.optional("secrets")
        secrets = try list?.list { (item) throws(SchemaViolation) in try DeliveredSecret(item) } ?? []
        try list?.items().requireUnique("name")
        let wanted = try record.optional("checks")?.list { (item) throws(SchemaViolation) in
            try item.choice(of: IntegrationCheck.self)
        }
        checks = IntegrationCheck.allCases.filter { wanted?.contains($0) ?? true }
        if let node = try record.optional("deadline") {
            guard let time = UTCTime(rfc3339: try node.string()) else {
                throw node.violation("must be a time as in 2026-01-01T00:00:00Z")
            }
            deadline = time
        } else {
            deadline = nil
        }
        directives = value["directives"].map { JSONNode($0, path: "directives") }
        _ = try directives?.secret().record()
    }

    private enum ActorKind: String, CaseIterable {
        case ci, session, probe
    }
}

package enum IntegrationCheck: String, CaseIterable, Sendable {
    case secrets, directives, tools, orchestrator
}

package struct DeliveredSecret: Equatable, Sendable {
    package enum Delivery: Equatable, Sendable {
        case environment(String)
        case file(String)
        case inline(String)
    }

    package let name: String
    package let delivery: Delivery

    private enum Kind: String, CaseIterable {
        case cred, key
    }

    private enum Via: String, CaseIterable {
        case env, file, inline
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        name = try record.required("name").text(.line)
        _ = try record.required("kind").choice(of: Kind.self)
        var delivery = try record.required("delivery").record()
        switch try delivery.required("via").choice(of: Via.self) {
        case .env: self.delivery = .environment(try delivery.required("name").text(.variableName))
        case .file: self.delivery = .file(try delivery.required("path").text(.file))
        case .inline: self.delivery = .inline(try delivery.required("value").string())
        }
    }
}
