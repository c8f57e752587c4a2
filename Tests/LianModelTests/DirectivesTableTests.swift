import Foundation
import LianModel
import LianTestSupport
import Testing

/// The decoder and the evaluator over one table of documents: each accepts what the other accepts.
@Suite struct DirectivesTableTests {
    static let bases: [String: JSONValue] = [
        "directives": [
            "schema_version": "1", "workspace": "acme",
            "artifacts": [["name": "app", "context": ".", "image": "localhost:5000/acme/app:1"]],
            "compute": ["provider": "local"],
            "registry": ["provider": "zot", "endpoint": "localhost:5000"],
        ],
        "spec": [:],
    ]

    private static func contract(_ kind: String) -> String {
        kind == "spec"
            ? "(import \"build_spec.ncl\").BuildSpec" : "(import \"build_directives.ncl\").BuildDirectives"
    }

    private func document(_ one: ContractCase) throws -> JSONValue {
        one.document(from: try #require(Self.bases[one.kind]))
    }

    private func violation(of document: JSONValue, as kind: String) -> SchemaViolation? {
        do throws(SchemaViolation) {
            if kind == "spec" {
                _ = try BuildSpec(JSONNode(document))
            } else {
                _ = try BuildDirectives(JSONNode(document))
            }
            return nil
        } catch {
            return error
        }
    }

    @Test func theTableIsLargeEnough() throws {
        let table = try ContractCase.table("directives.jsonl")
        #expect(table.count > 350)
        #expect(Set(table.map(\.description)).count == table.count)
        #expect(table.filter { $0.badPath == nil }.count > 120)
    }

    @Test func theDecoderAgreesWithTheTable() throws {
        for one in try ContractCase.table("directives.jsonl") where one.nickel == nil {
            let violation = violation(of: try document(one), as: one.kind)
            #expect(violation?.path == one.badPath, "\(one): \(violation?.description ?? "accepted")")
            if let says = one.says {
                #expect(violation?.rule.contains(says) == true, "\(one): \(violation?.description ?? "accepted")")
            }
        }
    }

    /// No default may appear on the way through the schemas: what was not written must lose against a flag.
    @Test func theEvaluatorHandsTheGoodOnesOnAsTheyWere() async throws {
        let good = try ContractCase.table("directives.jsonl").filter { $0.badPath == nil }
        let plain = good.filter { $0.nickel == nil }
        let answer = try await withTemporaryFolder { folder in
            try write(.array(try plain.map(document)), to: "good.json", in: folder)
            try write(.object(Self.bases), to: "bases.json", in: folder)
            let checked = plain.enumerated().map { "(std.array.at \($0) documents) | \(Self.contract($1.kind))" }
            let native = good.compactMap { one in one.nickel.map { Self.native($0, kind: one.kind) } }
            return try await nickelExport(
                """
                let documents = import "good.json" in
                let bases = import "bases.json" in
                { plain = [\(checked.joined(separator: ",\n"))], native = [\(native.joined(separator: ",\n"))] }
                """, named: "good.ncl", in: folder)
        }
        let value = try #require(answer.value, "\(answer.diagnostic)")
        for (one, exported) in zip(plain, try #require(value["plain"]?.arrayValue)) {
            #expect(exported.encoded() == (try document(one)).encoded(), "\(one)")
        }
        let native = try #require(value["native"]?.arrayValue)
        #expect(native.count == good.count - plain.count)
        for (one, exported) in zip(good.filter { $0.nickel != nil }, native) {
            #expect(violation(of: exported, as: one.kind) == nil, "\(one): \(exported.encoded())")
        }
    }

    @Test func theEvaluatorRefusesTheBadOnes() async throws {
        let bad = try ContractCase.table("directives.jsonl").filter { $0.badPath != nil }
        let answers = try await withTemporaryFolder { folder in
            try write(.object(Self.bases), to: "bases.json", in: folder)
            return try await concurrently(bad) { index, one in
                let text: String
                if let nickel = one.nickel {
                    text = "let bases = import \"bases.json\" in \(Self.native(nickel, kind: one.kind))"
                } else {
                    try write(try document(one), to: "\(index).json", in: folder)
                    text = "(import \"\(index).json\") | \(Self.contract(one.kind))"
                }
                return try await nickelExport(text, named: "\(index).ncl", in: folder)
            }
        }
        #expect(answers.count == bad.count)
        for (one, answer) in zip(bad, answers) {
            #expect(answer.value == Optional.none, "\(one) was accepted")
            #expect(answer.isVerdict, "\(one): \(answer.diagnostic)")
            guard one.nickel == nil, let violation = violation(of: try document(one), as: one.kind) else { continue }
            if violation.rule.hasPrefix("is not a field of this record") {
                #expect(answer.diagnostic.contains("' \(violation.rule)\n"), "\(one): \(answer.diagnostic)")
            }
            // Where the schema has words of its own, they are the decoder's.
            if let sentence = sentence(of: answer.diagnostic), !violation.rule.hasPrefix("must not be null") {
                #expect(violation.rule.hasPrefix(sentence), "\(one): \(answer.diagnostic)")
            }
        }
    }

    @Test func noErrorShowsWhatMayBeSecret() throws {
        for one in try ContractCase.table("directives.jsonl") where one.nickel == nil && one.badPath != nil {
            let violation = try #require(violation(of: try document(one), as: one.kind))
            #expect(!violation.description.contains("hunter2"), "\(one): \(violation)")
            if violation.path.contains("build_args") || violation.path.contains("credential.") {
                // null is no secret, and is refused before anything is known of the field.
                #expect(violation.found == nil || violation.found == "null", "\(one): \(violation)")
            }
        }
    }

    @Test func otherErrorsShowTheValue() throws {
        var document = try #require(Self.bases["directives"]?.objectValue)
        document["workspace"] = "Acme"
        #expect(
            violation(of: .object(document), as: "directives")?.description
                == "workspace: must be words of a-z and 0-9 joined by single '-', 63 characters at most, found \"Acme\""
        )
    }

    private static func native(_ nickel: String, kind: String) -> String {
        "(bases.\(kind) & \(nickel)) | \(contract(kind))"
    }

    /// The rule in a drawn diagnostic: the line below its first.
    private func sentence(of diagnostic: String) -> String? {
        guard let line = diagnostic.split(separator: "\n").dropFirst().first, line.contains(" must ") else {
            return nil
        }
        let text = line.drop { $0 == " " }
        return text.hasPrefix("the name '") ? nil : String(text)
    }
}

private func write(_ value: JSONValue, to name: String, in folder: URL) throws {
    try Data(value.encodedBytes()).write(to: folder.appending(path: name))
}
