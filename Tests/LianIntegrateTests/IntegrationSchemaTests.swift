import Foundation
import LianIntegrate
import LianModel
import LianTestSupport
import Testing

/// schemas/integration.ncl says of contexts what `integrate` says, and takes every answer that it gives.
@Suite struct IntegrationSchemaTests {
    private func export(_ value: JSONValue, as contract: String, _ name: String, in folder: URL) async throws
        -> NickelAnswer
    {
        try Data(value.encodedBytes()).write(to: folder.appending(path: "\(name).json"))
        return try await nickelExport(
            "let integration = import \"integration.ncl\" in (import \"\(name).json\") | \(contract)",
            named: "\(name).ncl", in: folder)
    }

    private let contexts: [JSONValue] = [
        context(), context(["comment": 1, "actor": ["id": "x", "kind": "probe", "more": true]]),
        context(["directives": standardDirectives, "deadline": "2026-01-01T00:00:00.5+01:00"]),
        context(["checks": [], "secrets": []]),
        context([
            "secrets": [
                secret("a", ["via": "env", "name": "A", "path": "beside"]), secret("b", ["via": "file", "path": "/b"]),
                secret("c", ["via": "inline", "value": "0123456789abcdef", "x": 1], kind: "key"),
            ]
        ]),
        .object(["schema": "secret-delivery-context/v1", "request_id": "r", "workspace": "w"]),
    ]

    @Test func goodContextsAreTakenByBoth() async throws {
        for context in contexts { _ = try SecretDeliveryContext(context) }
        let answer = try await withTemporaryFolder { folder in
            try await export(.array(contexts), as: "Array integration.SecretDeliveryContext", "good", in: folder)
        }
        #expect(answer.value?.arrayValue?.count == contexts.count, "\(answer.diagnostic)")
    }

    @Test func falseContextsAreRefusedByBoth() async throws {
        // That both refuse the same is shown by the other suite, over the same table.
        let answers = try await withTemporaryFolder { folder in
            try await concurrently(wrongFields) { index, wrong in
                try await export(
                    context([wrong.0: wrong.1]), as: "integration.SecretDeliveryContext", "wrong-\(index)", in: folder)
            }
        }
        for (wrong, answer) in zip(wrongFields, answers) {
            #expect(answer.value == Optional.none && answer.isVerdict, "\(wrong): \(answer.diagnostic)")
        }
    }

    @Test func everyKindOfAnswerIsTaken() async throws {
        var answers: [JSONValue] = []
        for context in contexts { answers.append(await integrate(context).answer.json) }
        answers.append(await integrate(context(["directives": [:]])).answer.json)
        answers.append(await integrate(context(["deadline": "2001-01-01T00:00:00Z"])).answer.json)
        answers.append(await integrate("nonsense").answer.json)
        answers.append(await integrate(context(["workspace": "No Slug"])).answer.json)
        let answer = try await withTemporaryFolder { folder in
            try await export(.array(answers), as: "Array integration.ResultEnvelope", "answers", in: folder)
        }
        #expect(answer.value?.arrayValue?.count == answers.count, "\(answer.diagnostic)")
    }

    @Test(
        arguments: [
            ("status", "fine"), ("status", "error"), ("component", "other"), ("request_id", 1), ("checks", nil),
            ("checks", [["name": "secrets", "status": "fail", "detail": nil, "duration_ms": 1]]),
            ("checks", [["name": "secrets", "status": "pass", "detail": nil, "duration_ms": -1]]),
            ("secrets", [["name": "a", "status": "missing", "fingerprint": "hmac-sha256:0123456789ab"]]),
            ("secrets", [["name": "a", "status": "resolved", "fingerprint": "0123456789abcdef"]]),
            ("event", ["published": "no", "subject": nil]), ("started_at", "now"), ("more", 1),
        ] as [(String, JSONValue)])
    func falseAnswersAreRefused(field: String, value: JSONValue) async throws {
        var answer = try #require(await integrate(context()).answer.json.objectValue)
        answer[field] = value
        let wrong = JSONValue.object(answer)
        let verdict = try await withTemporaryFolder { folder in
            try await export(wrong, as: "integration.ResultEnvelope", "wrong", in: folder)
        }
        #expect(verdict.value == Optional.none && verdict.isVerdict, "\(verdict.diagnostic)")
    }
}
