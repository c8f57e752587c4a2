import Foundation
import LianModel
import LianTestSupport
import Testing

/// schemas/build_result.ncl accepts what `build` may print and refuses what it may not.
@Suite struct BuildResultSchemaTests {
    private static let succeeded = """
        {"schema":"lian-build/result/v1","build_id":"b-01J8","version":"0.1.0","status":"succeeded","workspace":"acme",
         "mode":"ci","actor":null,
         "artifacts":[{"name":"app","image":"reg.example/acme/app:1","tags":["reg.example/acme/app:2"],
           "digest":"sha256:\(String(repeating: "0a", count: 32))","platforms":["linux/amd64"],"status":"succeeded",
           "steps":{"total":9,"cached":4},"duration_ms":8123}],
         "sizing":{"source":"explicit","cpu":4,"memory_gb":8,"time_budget_minutes":60,"tier":"cx32"},
         "runner":{"id":"r-7","provider":"hcloud","tier":"cx32","destroyed":true},
         "attempts":[{"n":1,"tier":"cx22","outcome":"oom","exit_code":1,"duration_ms":4000,
             "oom":{"reason":"text","kernel_oom_kills":1}},
           {"n":2,"tier":"cx32","outcome":"succeeded","exit_code":0,"duration_ms":8123}],
         "cache":{"from":["reg.example/acme/ci/acme/app:cache"],"to":["reg.example/acme/ci/acme/app:cache"]},
         "context":{"files":812,"bytes":10485760,"excluded_files":20411,"sent_bytes":4194304},
         "usage":{"cpu_peak":3.7,"memory_mb_peak":2900,"samples":41},
         "timings_ms":{"resolve":12,"spawn":900,"ready":350,"sync":410,"build":8123,"teardown":80,"total":9890},
         "events":{"published":3,"failed":0},"plan":null,"warnings":[],"error":null}
        """

    private static let refused = """
        {"schema":"lian-build/result/v1","build_id":"b-01J8","version":"0.1.0","status":"failed","workspace":null,
         "mode":null,"actor":null,"artifacts":null,"sizing":null,"runner":null,"attempts":null,"cache":null,
         "context":null,"usage":null,"timings_ms":null,"events":null,"plan":null,"warnings":[],
         "error":{"code":"invalid_argument","phase":"arguments","message":"m","hint":"h","log_tail":[]}}
        """

    private static let planned = """
        {"schema":"lian-build/result/v1","build_id":"b-01J8","version":"0.1.0","status":"planned","workspace":"acme",
         "mode":"session","actor":"mei",
         "artifacts":[{"name":"app","image":"reg.example/acme/app:1","tags":[],"digest":null,
           "platforms":["linux/amd64"],"status":null,"steps":null,"duration_ms":null}],
         "sizing":{"source":"language","cpu":2,"memory_gb":4,"time_budget_minutes":30,"tier":"cx22"},
         "runner":null,"attempts":[],"cache":{"from":[],"to":[]},
         "context":{"files":3,"bytes":100,"excluded_files":0,"sent_bytes":null},"usage":null,
         "timings_ms":{"resolve":12,"spawn":null,"ready":null,"sync":null,"build":null,"teardown":null,"total":12},
         "events":null,
         "plan":{"artifacts":[{"name":"app","buildctl":["build","--progress=plain"]}],
           "context":{"largest":[{"path":"a","bytes":99}]}},
         "warnings":[{"code":"p95_unavailable","message":"m"}],"error":null}
        """

    private func document(_ one: ContractCase) throws -> JSONValue {
        let bases = ["succeeded": Self.succeeded, "refused": Self.refused, "planned": Self.planned]
        return one.document(from: try .parse(try #require(bases[one.kind])))
    }

    @Test func theEvaluatorAcceptsTheGoodOnes() async throws {
        let good = try ContractCase.table("build-results.jsonl").filter { $0.badPath == nil }
        let answer = try await withTemporaryFolder { folder in
            try Data(JSONValue.array(try good.map(document)).encodedBytes())
                .write(to: folder.appending(path: "good.json"))
            return try await nickelExport(
                "(import \"good.json\") | Array (import \"build_result.ncl\").BuildResult", named: "good.ncl",
                in: folder)
        }
        let value = try #require(answer.value, "\(answer.diagnostic)")
        #expect(value.arrayValue?.count == good.count)
    }

    @Test func theEvaluatorRefusesTheFalseOnes() async throws {
        let bad = try ContractCase.table("build-results.jsonl").filter { $0.badPath != nil }
        let answers = try await withTemporaryFolder { folder in
            try await concurrently(bad) { index, one in
                try Data(try document(one).encodedBytes()).write(to: folder.appending(path: "\(index).json"))
                return try await nickelExport(
                    "(import \"\(index).json\") | (import \"build_result.ncl\").BuildResult", named: "\(index).ncl",
                    in: folder)
            }
        }
        #expect(answers.count == bad.count)
        for (one, answer) in zip(bad, answers) {
            #expect(answer.value == Optional.none, "\(one) was accepted")
            #expect(answer.isVerdict, "\(one): \(answer.diagnostic)")
        }
    }

    /// A phase that is added has to be added to the schema as well: the table has one error of each.
    @Test func theTableKnowsEveryPhase() throws {
        let phases = try ContractCase.table("build-results.jsonl").filter { $0.badPath == nil }
            .compactMap { try document($0)["error"]?["phase"]?.stringValue }
        #expect(Set(phases) == Set(Phase.allCases.map(\.rawValue)))
    }
}
