import Foundation
import LianModel

// This module is built with the programs too, for release as well, where there is no Testing.
#if canImport(Testing)
    import Testing

    /// Has the real evaluator check all of them at once.
    package func expectAccepted(_ envelopes: [JSONValue], by contract: String, of schema: String) async throws {
        let answer = try await withTemporaryFolder { folder in
            try Data(JSONValue.array(envelopes).encodedBytes()).write(to: folder.appending(path: "all.json"))
            return try await nickelExport(
                "(import \"all.json\") | Array (import \"\(schema)\").\(contract)", named: "all.ncl", in: folder)
        }
        #expect(answer.value?.arrayValue?.count == envelopes.count, "\(answer.diagnostic)")
    }
#endif
