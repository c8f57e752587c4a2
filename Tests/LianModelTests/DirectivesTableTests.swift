import Foundation
import LianModel
import LianTestSupport
import Testing

/// The decoder over the table of documents. The evaluator goes over the same one in PeerTests.
@Suite struct DirectivesTableTests {
    @Test func theTableIsLargeEnough() throws {
        let table = try DirectivesTable.cases()
        #expect(table.count > 350)
        #expect(Set(table.map(\.description)).count == table.count)
        #expect(table.filter { $0.badPath == nil }.count > 120)
        #expect(table.filter { $0.kind == "orchestrator" }.count > 100)
    }

    @Test func theDecoderAgreesWithTheTable() throws {
        for one in try DirectivesTable.cases() where one.nickel == nil {
            let violation = DirectivesTable.violation(of: DirectivesTable.document(one), as: one.kind)
            #expect(violation?.path == one.badPath, "\(one): \(violation?.description ?? "accepted")")
            if let says = one.says {
                #expect(
                    violation?.description.contains(says) == true, "\(one): \(violation?.description ?? "accepted")")
            }
        }
    }

    @Test func noErrorShowsWhatMayBeSecret() throws {
        for one in try DirectivesTable.cases() where one.nickel == nil && one.badPath != nil {
            let violation = try #require(DirectivesTable.violation(of: DirectivesTable.document(one), as: one.kind))
            #expect(!violation.description.contains("hunter2"), "\(one): \(violation)")
            if violation.path.contains("build_args") || violation.path.contains("credential.") {
                // null is no secret, and is refused before anything is known of the field.
                #expect(violation.found == nil || violation.found == "null", "\(one): \(violation)")
            }
        }
    }

    /// What was found is said where it says more than the rule, and before what may have been meant.
    @Test(
        arguments: [
            ("language", .null, "language: must not be null; leave the field out"),
            ("artifacts", [], "artifacts: must hold 1 to 32 of them"),
            ("runner", [1], "runner: must be a record, found a list"),
            (
                "cache", ["mode": "session"],
                #"cache.mode: must be a record like {"kind": "ci"} or {"kind": "session", "actor": {"id": "mei", "kind": "#
                    + #""human"}}, found "session""#
            ),
            ("secrets", [], "secrets: is not a field of this record; it is a field of artifacts[]"),
            ("image", "localhost/a:1", "image: is not a field of this record; it is a field of artifacts[]"),
            ("worksapce", "a", "worksapce: is not a field of this record; did you mean 'workspace'?"),
        ] as [(String, JSONValue, String)])
    func messages(_ field: String, _ value: JSONValue, _ message: String) throws {
        var document = try #require(DirectivesTable.bases["directives"]?.objectValue)
        document[field] = value
        #expect(DirectivesTable.violation(of: .object(document), as: "directives")?.description == message)
    }

    @Test func otherErrorsShowTheValue() throws {
        var document = try #require(DirectivesTable.bases["directives"]?.objectValue)
        document["workspace"] = "Acme"
        #expect(
            DirectivesTable.violation(of: .object(document), as: "directives")?.description
                == "workspace: must be words of a-z and 0-9 joined by single '-', 63 characters at most, found \"Acme\""
        )
    }
}
