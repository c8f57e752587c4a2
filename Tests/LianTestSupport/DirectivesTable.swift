import LianModel

/// Tests/Fixtures/directives.jsonl: documents that the decoder and the evaluator each accept or refuse alike.
package enum DirectivesTable {
    package static let bases: [String: JSONValue] = [
        "directives": [
            "schema_version": "1", "workspace": "acme",
            "artifacts": [["name": "app", "context": ".", "image": "localhost:5000/acme/app:1"]],
            "compute": ["provider": "local"],
            "registry": ["provider": "zot", "endpoint": "localhost:5000"],
        ],
        "spec": [:],
        "orchestrator": [:],
    ]

    package static func cases() throws -> [ContractCase] {
        try ContractCase.table("directives.jsonl")
    }

    package static func document(_ one: ContractCase) -> JSONValue {
        one.document(from: bases[one.kind] ?? .null)
    }

    package static func violation(of document: JSONValue, as kind: String) -> SchemaViolation? {
        do throws(SchemaViolation) {
            switch kind {
            case "spec": _ = try BuildSpec(JSONNode(document))
            case "orchestrator": _ = try OrchestratorConfig(JSONNode(document))
            default: _ = try BuildDirectives(JSONNode(document))
            }
            return nil
        } catch {
            return error
        }
    }
}
