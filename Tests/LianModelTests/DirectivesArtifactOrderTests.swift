import LianModel
import Testing

@Suite struct DirectivesArtifactOrderTests {
    private func directives(_ artifacts: [(name: String, dependsOn: [String])]) throws(SchemaViolation)
        -> BuildDirectives
    {
        let items = artifacts.map { artifact -> JSONValue in
            [
                "name": .string(artifact.name), "context": ".", "image": .string("localhost:5000/\(artifact.name):1"),
                "depends_on": artifact.dependsOn.json,
            ]
        }
        return try BuildDirectives(
            JSONNode([
                "schema_version": "1", "workspace": "acme", "artifacts": .array(items),
                "compute": ["provider": "local"], "registry": ["provider": "zot", "endpoint": "localhost:5000"],
            ]))
    }

    private func order(_ artifacts: [(String, [String])]) throws -> [String] {
        try directives(artifacts).artifactsInBuildOrder.map(\.name)
    }

    @Test func dependenciesComeFirstAndTheFileDecidesTheRest() throws {
        #expect(try order([("c", []), ("b", []), ("a", [])]) == ["c", "b", "a"])
        #expect(
            try order([("bundle", ["api", "web"]), ("api", ["base"]), ("web", ["base"]), ("base", [])])
                == ["base", "api", "web", "bundle"])
        #expect(try order([("a", ["z"]), ("b", []), ("z", [])]) == ["b", "z", "a"])
    }

    @Test func generatedGraphsAreOrderedOrTheirCircleIsNamed() throws {
        var circles = 0
        for seed in 0..<300 {
            var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
            func next(below limit: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % limit
            }
            let names = (0..<(1 + next(below: 12))).map { "n\($0)" }
            let graph = names.map { name in
                (name, (0..<next(below: 3)).map { _ in names[next(below: names.count)] })
            }
            let dependencies = Dictionary(uniqueKeysWithValues: graph)
            do {
                let order = try order(graph)
                #expect(Set(order) == Set(names))
                for (place, name) in order.enumerated() {
                    #expect(Set(dependencies[name] ?? []).isSubset(of: order[..<place]), "\(graph)")
                }
            } catch let violation as SchemaViolation {
                circles += 1
                let circle = violation.rule.split(separator: ": ").last?.split(separator: " -> ").map(String.init) ?? []
                #expect(circle.count > 1 && circle.first == circle.last, "\(violation)")
                for (from, to) in zip(circle, circle.dropFirst()) {
                    #expect(dependencies[from]?.contains(to) == true, "\(violation) in \(graph)")
                }
            }
        }
        #expect((30..<270).contains(circles))
    }
}
