import LianModel
import LianTestSupport
import Testing

@testable import LianBuild

/// Which volume a build asks for, by flags and by directives.
@Suite struct VolumeWishTests {
    private static let mei: JSONValue = ["kind": "session", "actor": ["id": "m-ei", "kind": "human"]]
    private static let ci: JSONValue = ["kind": "ci"]

    private func wanted(_ from: [String], _ to: String?) -> VolumeWish {
        .wanted(VolumeRequest(from: from.compactMap { VolumeName($0) }, to: to.flatMap { VolumeName($0) }))
    }

    @Test func flagsAlone() async throws {
        let cases: [([String], VolumeWish)] = [
            ([], wanted(["ci/acme/app"], "ci/acme/app")), (["--volume", "on"], wanted(["ci/acme/app"], "ci/acme/app")),
            (["--volume", "b-2"], wanted(["ci/acme/b-2"], "ci/acme/b-2")), (["--volume", "off"], .off),
            (["--actor", "m-ei"], wanted(["dev/m--ei-acme/app", "ci/acme/app"], "dev/m--ei-acme/app")),
        ]
        try await withRequestFixture { fixture in
            for (flags, wish) in cases {
                let request = try fixture.build(flags)
                #expect(request.volume == wish && request.cacheExport == .always)
            }
            #expect(try fixture.build(["--cache-export", "cold"]).cacheExport == .cold)
        }
    }

    @Test func directivesDecideWhereTheyWriteIt() async throws {
        let app = wanted(["ci/acme/app"], "ci/acme/app")
        let named = wanted(["ci/acme/x"], "ci/acme/x")
        let cases: [(mode: JSONValue, fields: [String: JSONValue], flags: [String], wish: VolumeWish)] = [
            (Self.ci, [:], [], app), (Self.ci, ["volume": "on"], [], app), (Self.ci, ["volume": "off"], [], .off),
            (Self.ci, ["volume": ["name": "x"]], [], named), (Self.ci, [:], ["--volume", "off"], .off),
            (Self.ci, ["volume": ["name": "x"]], ["--volume", "y"], named),
            // What is discarded is read all the same.
            (Self.ci, ["disposition": "discard"], [], wanted(["ci/acme/app"], nil)),
            (
                Self.mei, ["disposition": "discard", "volume": ["name": "x"]], [],
                wanted(["dev/m--ei-acme/x", "ci/acme/x"], nil)
            ),
        ]
        try await withRequestFixture { fixture in
            for one in cases {
                let cache = one.fields.merging(["mode": one.mode]) { $1 }
                let request = try fixture.build(one.flags, directives: directives(whole: ["cache": .object(cache)]))
                #expect(request.volume == one.wish)
            }
        }
    }

    @Test func severalArtifactsHaveTheVolumeOfTheFirstInTheFile() async throws {
        let artifacts: [JSONValue] = ["web", "base"].map { name in
            var artifact: [String: JSONValue] = [
                "name": .string(name), "context": "app", "image": .string("reg.example/acme/\(name):1"),
            ]
            if name == "web" { artifact["depends_on"] = ["base"] }
            return .object(artifact)
        }
        try await withRequestFixture { fixture in
            let request = try fixture.build(directives: directives(whole: ["artifacts": .array(artifacts)]))
            #expect(request.artifacts.map(\.name) == ["base", "web"])
            #expect(request.volume == wanted(["ci/acme/web"], "ci/acme/web"))
        }
    }

    @Test(arguments: ["App", "a_b", "a--b", "-a", "", "ci/acme/app", "a b", String(repeating: "a", count: 64)])
    func noNames(name: String) async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(["--volume", name])
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("--volume") == true)
            #expect(error?.message.contains(Identifier.slugRule) == true, "\(error?.message ?? "accepted")")
            #expect(error?.hint.contains("--volume app-nightly") == true)
        }
    }

    /// An image's name may hold more than a volume's, and all three parts together may be too long.
    @Test func whatNoVolumeCanBeCalled() async throws {
        let long = String(repeating: "a", count: 63)
        try await withRequestFixture { fixture in
            let underscored = try fixture.build(["--image", "reg.example/t/my_app:1"])
            #expect(underscored.volume == .unnameable("my_app"))
            let actor = Array(repeating: "a", count: 32).joined(separator: "-")
            let tooLong = try fixture.build(["--workspace", long, "--actor", actor, "--volume", long])
            #expect(tooLong.volume == .unnameable(long))
        }
    }

    @Test func whenTheCacheIsWritten() async throws {
        func runner(_ volume: RunnerVolume?) throws -> ReadyRunner {
            var answer = RunnerAnswer(runnerID: "r-1", state: .ready, workspace: "acme")
            answer.host = "h"
            answer.user = "u"
            answer.volume = volume
            return try ReadyRunner(answer)
        }
        try await withRequestFixture { fixture in
            let always = try fixture.build()
            let cold = try fixture.build(["--cache-export", "cold"])
            for (volume, isWritten) in [
                (nil, true), (RunnerVolume(state: .cold, reason: "none_yet"), true),
                (RunnerVolume(state: .warm), false),
            ] as [(RunnerVolume?, Bool)] {
                let ready = try runner(volume)
                #expect(always.writesCache(from: ready) && cold.writesCache(from: ready) == isWritten)
            }
        }
    }

    /// However CI and sessions are called and whatever they ask for: CI names no `dev/` at all, a session writes no `ci/`
    /// and names no `dev/` but its own.
    @Test func layersHold() async throws {
        var random = SeededGenerator(seed: 51)
        func slug() -> String {
            let words = (0...Int.random(in: 0...3, using: &random)).map { _ in
                random.pick(["dev", "ci", "a", "0", "off", "acme", "x9"])
            }
            return words.joined(separator: "-")
        }
        try await withRequestFixture { fixture in
            for _ in 0..<300 {
                let (workspace, actor) = (slug(), random.oneIn(2) ? slug() : nil)
                let mode: JSONValue =
                    actor.map { ["kind": "session", "actor": ["id": .string($0), "kind": "agent"]] } ?? ["kind": "ci"]
                var cache: [String: JSONValue] = ["mode": mode]
                if random.oneIn(2) { cache["disposition"] = random.oneIn(2) ? "discard" : "retain" }
                if random.oneIn(2) { cache["volume"] = random.oneIn(3) ? "on" : ["name": .string(slug())] }
                let flags = random.oneIn(3) ? ["--volume", slug() + "-x"] : []
                let request = try fixture.build(
                    flags,
                    directives: directives(
                        ["name": .string(slug())], whole: ["workspace": .string(workspace), "cache": .object(cache)]))
                let volume = try #require(request.volume.request, "\(cache)")
                let own = actor.map { "dev/\($0.replacing("-", with: "--"))-\(workspace)/" } ?? "ci/\(workspace)/"
                for name in volume.from {
                    let text = name.description
                    #expect(text.hasPrefix(own) || actor != nil && text.hasPrefix("ci/\(workspace)/"))
                }
                #expect((volume.to == nil) == (cache["disposition"] == "discard"))
                if let to = volume.to { #expect(to.description.hasPrefix(own) && volume.from.first == to) }
            }
        }
    }
}
