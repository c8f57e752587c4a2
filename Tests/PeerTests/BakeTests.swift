import Foundation
import LianModel
import LianTestSupport
import Testing

/// `from_bake`, over Tests/Fixtures/bake.jsonl: what bake prints, and the artifacts that it becomes or what it is told.
@Suite(.needsNickel) struct BakeTests {
    private struct Row: Sendable, CustomStringConvertible {
        let description: String
        let bake: JSONValue
        let settings: JSONValue
        let artifacts: JSONValue?
        let says: String?
    }

    private static let usual: JSONValue = [
        "workspace": "acme", "compute": ["provider": "local"],
        "registry": ["provider": "zot", "endpoint": "localhost:5000", "namespace": "acme"],
    ]

    private static func rows() throws -> [Row] {
        let file = Project.root.appending(path: "Tests/Fixtures/bake.jsonl")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let row = try JSONValue.parse(String(line))
            let own = (usual.objectValue ?? [:]).merging(row["settings"]?.objectValue ?? [:]) { $1 }
            return Row(
                description: row["case", or: ""], bake: row["bake"] ?? .null, settings: .object(own),
                artifacts: row["artifacts"], says: row["says"]?.stringValue)
        }
    }

    private static func write(_ rows: [Row], to name: String, in folder: URL) throws {
        let pairs = rows.map { JSONValue.object(["bake": $0.bake, "settings": $0.settings]) }
        try Data(JSONValue.array(pairs).encodedBytes()).write(to: folder.appending(path: name))
    }

    @Test func whatDirectivesCanSay() async throws {
        let rows = try Self.rows().filter { $0.artifacts != nil }
        let answer = try await withTemporaryFolder { folder in
            try Self.write(rows, to: "rows.json", in: folder)
            return try await nickelExport(
                """
                let { from_bake, .. } = import "from_bake.ncl" in
                std.array.map (fun row => from_bake row.settings row.bake) (import "rows.json")
                """, named: "rows.ncl", in: folder)
        }
        let made = try #require(answer.value?.arrayValue, "\(answer.diagnostic)")
        #expect(made.count == rows.count)
        for (row, directives) in zip(rows, made) {
            #expect(directives["artifacts"]?.encoded() == row.artifacts?.encoded(), "\(row)")
            #expect(DirectivesTable.violation(of: directives, as: "directives") == nil, "\(row)")
            let others = directives.objectValue?.filter { !["artifacts", "schema_version"].contains($0.key) }
            let settings = row.settings.objectValue?.filter { $0.key != "targets" }
            #expect(others == settings, "\(row)")
        }
    }

    @Test func whatTheyCannot() async throws {
        let rows = try Self.rows().filter { $0.says != nil }
        let answers = try await withTemporaryFolder { folder in
            try await concurrently(rows) { index, row in
                try Self.write([row], to: "\(index).json", in: folder)
                return try await nickelExport(
                    """
                    let { from_bake, .. } = import "from_bake.ncl" in
                    let row = std.array.first (import "\(index).json") in
                    from_bake row.settings row.bake
                    """, named: "\(index).ncl", in: folder)
            }
        }
        #expect(answers.count == rows.count)
        for (row, answer) in zip(rows, answers) {
            #expect(answer.value == nil, "\(row) was taken")
            let lines = answer.diagnostic.split(separator: "\n")
            let said = lines.count > 1 ? lines[1].drop { $0 == " " } : ""
            #expect(said.hasPrefix(row.says ?? "?"), "\(row): \(answer.diagnostic)")
            #expect(!said.contains("hunter22"))
        }
    }
}
