import LianModel
import Testing

@Suite struct VolumeTests {
    @Test(arguments: [
        "ci/acme/app", "ci/a-b-c/my-app-2", "dev/ana-acme/app", "dev/a--b-c/app",
    ])
    func names(_ text: String) {
        #expect(VolumeName(text)?.description == text)
    }

    @Test(arguments: [
        "", "ci/acme", "ci/acme/", "ci//app", "/acme/app", "ci/acme/app/x", "cd/acme/app", "ci/acme/App", "ci/Acme/app",
        "ci/acme/-app", "ci/acme/app-", "ci/acme/a--b", "ci/../app", "ci/acme/..", "ci/acme/a.b", "ci/acme/a\n",
        "ci/acme/" + String(repeating: "a", count: 193),
    ])
    func noNames(_ text: String) {
        #expect(VolumeName(text) == nil)
    }

    /// A session reads its own and CI's, and writes its own; CI knows its own alone.
    @Test func namesAreThoseOfTheLayers() {
        func names(_ owner: CacheOwner) -> [String]? {
            let layers = CacheLayers(registry: "reg.example", namespace: "team", workspace: "acme", owner: owner)
            return layers.volumes(named: "app").map { ($0.from + [$0.to]).map(\.description) }
        }
        #expect(names(.ci) == ["ci/acme/app", "ci/acme/app"])
        #expect(names(.session(actor: "a-b")) == ["dev/a--b-acme/app", "ci/acme/app", "dev/a--b-acme/app"])
        let long = Array(repeating: "a", count: 32).joined(separator: "-")
        let layers = CacheLayers(
            registry: "reg.example", namespace: nil, workspace: long, owner: .session(actor: long))
        #expect(layers.volumes(named: long) == nil)
    }

    /// An orchestrator of version 1.0 is sent no field that it does not know.
    @Test func aRequestWithoutAVolumeHasNoSuchField() throws {
        var request = SpawnRequest(
            workspace: "acme", buildID: "b-1", attempt: 1, size: WireSize(tier: nil, cpu: 1, memoryMB: 512),
            timeBudgetMinutes: 5, leaseSeconds: 60, sshPublicKey: Self.key)
        #expect(request.json["volume"] == nil)
        request.volume = VolumeRequest(from: [try #require(VolumeName("ci/acme/app"))], to: nil)
        #expect(try SpawnRequest(JSONNode(request.json)) == request)
    }

    @Test(arguments: [
        #"{"from":["ci/acme/app"],"to":"ci/acme/App"}"#, #"{"from":"ci/acme/app"}"#, #"{"from":[1]}"#, #"[]"#,
        #"{"from":["ci/a/b","ci/a/b","ci/a/b","ci/a/b","ci/a/b"]}"#,
    ])
    func wrongRequests(_ text: String) throws {
        let node = JSONNode(try JSONValue.parse(Array(text.utf8)))
        #expect(throws: SchemaViolation.self) { try VolumeRequest(node) }
    }

    @Test func whatARunnerFoundIsReadAsItIsWritten() throws {
        let warm = RunnerVolume(
            state: .warm, from: VolumeName("ci/acme/app"), generation: 3, bytes: 1 << 30, path: "/srv/volume/contexts")
        let cold = RunnerVolume(state: .cold, reason: "a word of another orchestrator")
        for volume in [warm, cold] { #expect(try RunnerVolume(JSONNode(volume.json)) == volume) }
        for kept in [
            KeptVolume.kept(try #require(VolumeName("ci/acme/app")), generation: 4, bytes: 5), .discarded(.superseded),
        ] {
            #expect(try KeptVolume(JSONNode(kept.json)) == kept)
        }
    }

    @Test func whatIsTooLargeToBeCountedIsAsMuchAsCanBe() throws {
        func executed(_ text: String) throws -> Int {
            let json = try JSONValue.parse(Array(#"{"outcome":"failed","executed_ms":\#(text)}"#.utf8))
            return try KeepRequest(JSONNode(json)).executedMS
        }
        #expect(try executed("0") == 0 && executed("1234") == 1234 && executed("2.0") == 2)
        #expect(try executed("119886543084765618940936192") == .max)
        for wrong in ["-1", "1.5", "null", "\"1\""] { #expect(throws: SchemaViolation.self) { try executed(wrong) } }
    }

    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
}
