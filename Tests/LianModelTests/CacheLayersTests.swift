import LianModel
import LianTestSupport
import Testing

@Suite struct CacheLayersTests {
    private let registry = "reg.example:5000"

    private func layers(_ owner: CacheOwner, workspace: String = "acme", namespace: String? = "team") -> CacheLayers {
        CacheLayers(registry: registry, namespace: namespace, workspace: workspace, owner: owner)
    }

    private func randomSlug(_ random: inout SeededGenerator) -> String {
        let words = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            String((0..<Int.random(in: 1...2, using: &random)).map { _ in "ab1".randomElement(using: &random) ?? "a" })
        }
        return words.joined(separator: "-")
    }

    @Test func ciReadsAndWritesItsOwnLayer() {
        let ci = layers(.ci)
        #expect(ci.imports(artifact: "app") == ["reg.example:5000/team/ci/acme/app:cache"])
        #expect(ci.exports(artifact: "app") == ["reg.example:5000/team/ci/acme/app:cache"])
    }

    @Test func aSessionReadsBothAndWritesItsOwn() {
        let session = layers(.session(actor: "ada-l"))
        #expect(
            session.imports(artifact: "app") == [
                "reg.example:5000/team/dev/ada--l-acme/app:cache", "reg.example:5000/team/ci/acme/app:cache",
            ])
        #expect(session.exports(artifact: "app") == ["reg.example:5000/team/dev/ada--l-acme/app:cache"])
    }

    @Test func withoutANamespaceTheLayerFollowsTheHost() {
        #expect(layers(.ci, namespace: nil).exports(artifact: "app") == ["reg.example:5000/ci/acme/app:cache"])
    }

    @Test func everyPairOfActorAndWorkspaceHasItsOwnNamespace() {
        var random = SeededGenerator(seed: 7)
        var owners: [String: (actor: String, workspace: String)] = [:]
        for _ in 0..<20_000 {
            let actor = randomSlug(&random)
            let workspace = randomSlug(&random)
            let reference = layers(.session(actor: actor), workspace: workspace).exports(artifact: "x")[0]
            if let other = owners.updateValue((actor, workspace), forKey: reference) {
                #expect(other == (actor, workspace), "\(reference) is shared")
            }
        }
        #expect(owners.count > 1000)
    }

    @Test func whatTheLayersGiveTheyAlsoAllow() throws {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<2_000 {
            let workspace = randomSlug(&random)
            for owner in [CacheOwner.ci, .session(actor: randomSlug(&random))] {
                let layers = layers(owner, workspace: workspace)
                for reference in layers.imports(artifact: "app") { try layers.checkImport(reference) }
                for reference in layers.exports(artifact: "app") { try layers.checkExport(reference) }
            }
        }
    }

    @Test func ciNeverImportsAnyDevAndASessionNeverWritesCIOrAnothersDev() {
        var random = SeededGenerator(seed: 9)
        for _ in 0..<2_000 {
            let workspace = randomSlug(&random)
            let actor = randomSlug(&random)
            let other = randomSlug(&random)
            let ci = layers(.ci, workspace: workspace)
            let session = layers(.session(actor: actor), workspace: workspace)
            let others = layers(.session(actor: other), workspace: workspace).exports(artifact: "app")[0]
            #expect(throws: CacheForbidden.self) { try ci.checkImport(others) }
            #expect(throws: CacheForbidden.self) { try ci.checkExport(others) }
            #expect(throws: CacheForbidden.self) { try session.checkExport(ci.exports(artifact: "app")[0]) }
            if other != actor {
                #expect(throws: CacheForbidden.self) { try session.checkImport(others) }
                #expect(throws: CacheForbidden.self) { try session.checkExport(others) }
            }
        }
    }

    @Test(arguments: [
        "reg.example:5000/team/dev/ada-acme/app:cache", "reg.example:5000/team/dev:cache",
        "reg.example:5000/team/dev@sha256:0", "other.example/dev/x:cache", "other.example/a/dev/x:cache",
        "other.example/a/dev:1", "reg.example:5000/other/dev/ada-acme/app",
    ])
    func ciRefusesEveryFormOfDev(reference: String) {
        #expect(throws: CacheForbidden.self) { try layers(.ci).checkImport(reference) }
        #expect(throws: CacheForbidden.self) { try layers(.ci).checkExport(reference) }
    }

    @Test(arguments: [
        "reg.example:5000/team/ci/dev/app:cache", "reg.example:5000/team/app:dev", "other.example/developer/x:cache",
        "other.example/a/x:dev", "reg.example:5000/team/devices/x",
    ])
    func whatOnlyLooksLikeDevIsNone(reference: String) throws {
        try layers(.ci).checkImport(reference)
        try layers(.session(actor: "ada")).checkImport(reference)
    }
}
