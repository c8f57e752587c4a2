import LianModel
import Testing

@testable import LianBuild

/// Which platforms are built on which runner.
@Suite struct PlatformSplitTests {
    private static let local = ["linux/amd64", "linux/386"]

    private func split(
        _ fixture: RequestFixture, _ flags: [String], directives: JSONValue? = nil, served: [String]?
    ) throws -> PlatformSplit {
        try PlatformSplit(try fixture.build(flags, directives: directives), served: served)
    }

    /// Each runner, and what it builds for: `linux/amd64: linux/amd64 linux/arm64`.
    private func told(_ split: PlatformSplit) -> [String] {
        split.parts.map { part in
            let built = part.artifacts.flatMap(\.platforms).joined(separator: " ")
            return "\(part.platform ?? "any"): \(built)"
        }
    }

    @Test func aRunnerForEachThatIsServed() async throws {
        let cases: [(String, served: [String]?, parts: [String], emulated: Int)] = [
            ("linux/amd64,linux/386", Self.local, ["linux/amd64: linux/amd64", "linux/386: linux/386"], 0),
            ("linux/386,linux/amd64", Self.local, ["linux/386: linux/386", "linux/amd64: linux/amd64"], 0),
            ("linux/amd64,linux/arm64", Self.local, ["linux/amd64: linux/amd64 linux/arm64"], 1),
            ("linux/arm64,linux/amd64", Self.local, ["linux/amd64: linux/arm64 linux/amd64"], 1),
            ("linux/arm64,linux/s390x", Self.local, ["linux/amd64: linux/arm64 linux/s390x"], 1),
            (
                "linux/arm64,linux/386,linux/amd64", Self.local,
                ["linux/386: linux/arm64 linux/386", "linux/amd64: linux/amd64"], 1
            ),
            (
                "linux/arm64/v8,linux/amd64", ["linux/amd64", "linux/arm64"],
                ["linux/arm64: linux/arm64/v8", "linux/amd64: linux/amd64"], 0
            ),
            ("linux/amd64,linux/386", nil, ["any: linux/amd64 linux/386"], 0),
            ("linux/amd64,linux/386", [], ["any: linux/amd64 linux/386"], 0),
            ("linux/arm64", Self.local, ["any: linux/arm64"], 0),
            ("linux/arm64,linux/arm64/v8", ["linux/arm64"], ["linux/arm64: linux/arm64 linux/arm64/v8"], 0),
        ]
        try await withRequestFixture { fixture in
            for one in cases {
                let split = try split(fixture, ["--platforms", one.0], served: one.served)
                #expect(told(split) == one.parts, "\(one.0)")
                #expect(split.warnings.map(\.code) == Array(repeating: .emulated, count: one.emulated), "\(one.0)")
                #expect(split.parts.flatMap(\.artifacts).allSatisfy { $0.isPart == (one.parts.count > 1) })
            }
            #expect(told(try split(fixture, [], served: Self.local)) == ["any: "])
            let question = ["--platforms", "linux/amd64,linux/386", "--call", "check"]
            #expect(told(try split(fixture, question, served: Self.local)).count == 1)
        }
    }

    /// What an orchestrator serves is asked of it and shown, so it has to be platforms, and not without end.
    @Test func whatIsNoPlatformIsNotServed() async throws {
        let flags = ["--platforms", "linux/amd64,linux/arm64"]
        try await withRequestFixture { fixture in
            let odd = ["linux/386\u{1B}[2J", "", "LINUX/ARM", "windows"]
            #expect(told(try split(fixture, flags, served: odd)) == ["any: linux/amd64 linux/arm64"])
            let some = try split(fixture, flags, served: odd + ["linux/amd64"])
            #expect(told(some) == ["linux/amd64: linux/amd64 linux/arm64"])
            #expect(some.warnings.map(\.message).allSatisfy { $0.hasSuffix("serves linux/amd64") })
            let many = try split(fixture, flags, served: Array(repeating: "linux/amd64", count: 50_000))
            #expect(many.warnings.map(\.message).allSatisfy { $0.utf8.count < 2000 })
        }
    }

    @Test func theWarningSaysWhereAndWhy() async throws {
        try await withRequestFixture { fixture in
            let split = try split(fixture, ["--platforms", "linux/amd64,linux/arm64"], served: Self.local)
            #expect(
                split.warnings.map(\.message) == [
                    "linux/arm64 is built on a runner for linux/amd64, by emulation: "
                        + "the orchestrator serves linux/amd64, linux/386"
                ])
        }
    }

    @Test func withoutEmulationItIsRefused() async throws {
        let cases: [(String, served: [String]?, message: String?)] = [
            ("linux/amd64,linux/386", Self.local, nil), ("linux/386", Self.local, nil),
            (
                "linux/amd64,linux/arm64", Self.local,
                "app: no runner builds natively for linux/arm64: the orchestrator serves linux/amd64, linux/386"
            ),
            (
                "linux/arm64", ["linux/amd64"],
                "app: no runner builds natively for linux/arm64: the orchestrator serves linux/amd64"
            ),
            (
                "linux/amd64,linux/386", nil,
                "app: no runner builds natively for linux/amd64, linux/386: the orchestrator does not say what it serves"
            ),
        ]
        try await withRequestFixture { fixture in
            for one in cases {
                do {
                    _ = try split(fixture, ["--platforms", one.0, "--emulate", "never"], served: one.served)
                    #expect(one.message == nil, "\(one.0)")
                } catch {
                    #expect((error as? LianError)?.message == one.message)
                    #expect((error as? LianError)?.code == .engineUnsupported)
                }
            }
            let refused = try? split(
                fixture, [], directives: directives(["platforms": ["linux/arm64"], "emulate": "never"]),
                served: Self.local)
            #expect(refused == nil)
        }
    }

    /// Caches that several runners would write at once are kept apart, and what is read anyway is read by all.
    @Test func eachRunnerHasCachesOfItsOwn() async throws {
        try await withRequestFixture { fixture in
            let split = try split(
                fixture,
                ["--platforms", "linux/amd64,linux/386", "--cache-to", "type=gha", "--cache-to", "reg.example/a:c"],
                served: Self.local)
            let (first, second) = (split.parts[0].artifacts[0], split.parts[1].artifacts[0])
            let cache = "reg.example/team/ci/acme/app:cache"
            #expect(first.cacheFrom.map(\.description) == [cache])
            #expect(second.cacheFrom.map(\.description) == ["\(cache)-linux-386", cache])
            #expect(first.cacheTo.map(\.description) == ["type=gha,scope=ci/acme/app", "reg.example/a:c"])
            #expect(
                second.cacheTo.map(\.description) == [
                    "type=gha,scope=ci/acme/app/linux-386", "reg.example/a:c-linux-386",
                ])
        }
    }

    @Test func annotationsGoWhereTheyBelong() async throws {
        try await withRequestFixture { fixture in
            let flags = [
                "a=1", "index:b=2", "manifest,index:c=3", "manifest[linux/386]:d=4", "manifest-descriptor:e=5",
                "index-descriptor:f=6",
            ].flatMap { ["--annotation", $0] }
            let split = try split(fixture, ["--platforms", "linux/amd64,linux/386"] + flags, served: Self.local)
            #expect(
                split.parts.map { $0.artifacts[0].annotations } == [
                    ["a": "1", "c": "3"], ["a": "1", "c": "3", "d": "4"],
                ])
        }
    }

    private func several(_ fields: [[String: JSONValue]]) -> JSONValue {
        let artifacts: [JSONValue] = fields.enumerated().map { index, fields in
            let name = "a\(index)"
            return .object(
                ["name": .string(name), "context": "app", "image": .string("reg.example/acme/\(name):1")]
                    .merging(fields) { $1 })
        }
        return directives(whole: ["artifacts": .array(artifacts)])
    }

    @Test func severalArtifacts() async throws {
        try await withRequestFixture { fixture in
            let mixed = try split(
                fixture, [],
                directives: several([
                    ["platforms": ["linux/amd64", "linux/386"]], ["platforms": ["linux/386"]], [:],
                    ["platforms": ["linux/amd64", "linux/arm64"]],
                ]), served: Self.local)
            #expect(mixed.parts.map { $0.artifacts.map(\.name) } == [["a0", "a2", "a3"], ["a0", "a1"]])
            // Only an image whose parts come from several runners needs an index of them.
            #expect(mixed.parts.map { $0.artifacts.map(\.isPart) } == [[true, false, false], [true, false]])
            #expect(mixed.warnings.count == 1)
        }
    }

    /// What is built on another artifact needs its index, which is only there when all runners have ended.
    @Test func artifactsThatDependOnEachOtherShareARunner() async throws {
        try await withRequestFixture { fixture in
            let platforms: JSONValue = ["linux/amd64", "linux/386"]
            let chained: (JSONValue) -> JSONValue = { emulate in
                self.several([
                    ["platforms": platforms], ["platforms": platforms, "depends_on": ["a0"], "emulate": emulate],
                ])
            }
            let one = try split(fixture, [], directives: chained("auto"), served: Self.local)
            #expect(one.parts.map(\.platform) == ["linux/amd64"] && !one.parts[0].artifacts[0].isPart)
            #expect(
                one.warnings.first?.message.hasSuffix("artifacts that depend on each other are built on one runner")
                    == true)
            #expect((try? split(fixture, [], directives: chained("never"), served: Self.local)) == nil)
        }
    }

    @Test func aPartIsPushedByItsDigest() async throws {
        try await withRequestFixture { fixture in
            let flags = [
                "--platforms", "linux/amd64,linux/386", "--tag", "reg.example/team/app:2", "--tag", "b.example/c:1",
            ]
            let request = try fixture.build(flags)
            let part = try PlatformSplit(request, served: Self.local).parts[1].artifacts[0]
            let command = BuildctlCommand(
                artifact: part, registry: request.registry, folders: .init(context: "", extraContexts: [:], run: ""),
                address: nil, progress: .plain, exportsAllStages: true)
            let output = command.arguments.firstIndex(of: "--output").map { command.arguments[$0 + 1] }
            #expect(
                output
                    == "type=image,\"name=reg.example/team/app,b.example/c\",push=true,push-by-digest=true,"
                    + "name-canonical=true")
            #expect(command.arguments.contains("platform=linux/386"))
            let unpushed = try split(fixture, flags + ["--no-push"], served: Self.local)
            #expect(unpushed.parts.allSatisfy { !$0.artifacts[0].isPart })
        }
    }
}
