import Foundation
import LianModel
import LianTestSupport
import Testing

/// The evaluator over the table that LianModelTests holds the decoder by: each accepts what the other accepts.
@Suite struct DirectivesEvaluatorTests {
    private static func contract(_ kind: String) -> String {
        switch kind {
        case "spec": "(import \"build_spec.ncl\").BuildSpec"
        case "orchestrator": "(import \"orchestrator_config.ncl\").OrchestratorConfig"
        default: "(import \"build_directives.ncl\").BuildDirectives"
        }
    }

    /// No default may appear on the way through the schemas: what was not written must lose against a flag.
    @Test func theEvaluatorHandsTheGoodOnesOnAsTheyWere() async throws {
        let good = try DirectivesTable.cases().filter { $0.badPath == nil }
        let plain = good.filter { $0.nickel == nil }
        let answer = try await withTemporaryFolder { folder in
            try write(.array(plain.map(DirectivesTable.document)), to: "good.json", in: folder)
            try write(.object(DirectivesTable.bases), to: "bases.json", in: folder)
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
            #expect(exported.encoded() == DirectivesTable.document(one).encoded(), "\(one)")
        }
        let native = try #require(value["native"]?.arrayValue)
        #expect(native.count == good.count - plain.count)
        for (one, exported) in zip(good.filter { $0.nickel != nil }, native) {
            #expect(DirectivesTable.violation(of: exported, as: one.kind) == nil, "\(one): \(exported.encoded())")
        }
    }

    @Test func theEvaluatorRefusesTheBadOnes() async throws {
        let bad = try DirectivesTable.cases().filter { $0.badPath != nil }
        let answers = try await withTemporaryFolder { folder in
            try write(.object(DirectivesTable.bases), to: "bases.json", in: folder)
            return try await concurrently(bad) { index, one in
                let text: String
                if let nickel = one.nickel {
                    text = "let bases = import \"bases.json\" in \(Self.native(nickel, kind: one.kind))"
                } else {
                    try write(DirectivesTable.document(one), to: "\(index).json", in: folder)
                    text = "(import \"\(index).json\") | \(Self.contract(one.kind))"
                }
                return try await nickelExport(text, named: "\(index).ncl", in: folder)
            }
        }
        #expect(answers.count == bad.count)
        for (one, answer) in zip(bad, answers) {
            #expect(answer.value == Optional.none, "\(one) was accepted")
            #expect(answer.isVerdict, "\(one): \(answer.diagnostic)")
            let document = DirectivesTable.document(one)
            guard one.nickel == nil, let violation = DirectivesTable.violation(of: document, as: one.kind) else {
                continue
            }
            if violation.rule == "is not a field of this record" {
                let nearest = violation.nearest.map { "; did you mean '\($0)'?" } ?? ""
                #expect(answer.diagnostic.contains("' \(violation.rule)\(nearest)\n"), "\(one): \(answer.diagnostic)")
            }
            // Where the schema has words of its own, they are the decoder's.
            if let sentence = sentence(of: answer.diagnostic), !violation.rule.hasPrefix("must not be null") {
                #expect(violation.rule.hasPrefix(sentence), "\(one): \(answer.diagnostic)")
            }
        }
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
