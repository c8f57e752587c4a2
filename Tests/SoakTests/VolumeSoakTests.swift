import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// CI and sessions of two workspaces build side by side on volumes, with an admin's token, those of CI's layer and those
/// of sessions, and the orchestrator is killed between. Every build shows in its image all that it finds in a cache mount,
/// where each build leaves a marker: what of a session is never in an image of CI's. Meanwhile each token sees its own
/// workspace alone.
@Suite(.serialized, .needsDockerEngine, .needsNATSServer) struct VolumeSoakTests {
    private let seed: UInt64
    private let count: Int
    private static let width = 4

    init() {
        let environment = ProcessInfo.processInfo.environment
        seed = environment["LIAN_SOAK_SEED"].flatMap { UInt64($0) } ?? 1
        count = environment["LIAN_SOAK_COUNT"].flatMap { Int($0) } ?? 12
    }

    @Test(.timeLimit(.minutes(60))) func whatIsOfASessionIsNeverInCI() async throws {
        try await withShortTemporaryFolder { folder in
            let config = try await teamConfiguration(in: folder, of: TokenWatch.members)
            try await withBuildStage(flags: ["--config", config]) { stage in
                var random = SeededGenerator(seed: seed)
                let builds = (1...count).map { MixedBuild(number: $0, random: &random) }
                let half = count / 2
                try await run(builds.prefix(half), on: stage, in: folder)
                stage.orchestrator.kill()
                try await stage.orchestrator.start()
                try await run(builds.dropFirst(half), on: stage, in: folder)

                for build in builds {
                    let markers = try await build.markers(in: stage.registry)
                    #expect(markers.contains(build.marker), "\(build.image): \(markers)")
                    if build.actor == nil { #expect(!markers.contains { $0.hasPrefix("of-session") }, "\(markers)") }
                    let foreign = markers.filter { !$0.contains("-\(build.workspace)-") }
                    #expect(foreign.isEmpty, "\(build.image): \(foreign)")
                }
                try await expectWholeVolumes(of: builds, on: stage.orchestrator, in: folder)
                #expect(try await eventually { try stage.orchestrator.remains().isEmpty })
            }
        }
    }

    private func run(_ builds: ArraySlice<MixedBuild>, on stage: BuildStage, in folder: URL) async throws {
        let areThrough = Guarded(false)
        async let seen = TokenWatch(orchestrator: stage.orchestrator).leaks(until: { areThrough.value })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, build) in builds.enumerated() {
                if index >= Self.width { try await group.next() }
                let own = folder.appending(path: "\(build.number)")
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                let scene = try BuildScene(stage, folder: own)
                group.addTask { try await build.run(in: scene) }
            }
            try await group.waitForAll()
        }
        areThrough.set(true)
        #expect(try await seen == [])
    }

    /// Every volume belongs to who may write it, is within its bound, and starts an engine.
    private func expectWholeVolumes(
        of builds: [MixedBuild], on orchestrator: Orchestrator, in folder: URL
    ) async throws {
        let key = try await makeSSHKey(folder.appending(path: "key").path, ["-t", "ed25519"])
        let listed = try await orchestrator.request("GET", "/api/v1/volumes").json["data"]?.arrayValue ?? []
        #expect(!listed.isEmpty)
        let written = Set(builds.map(\.volume.description))
        for volume in listed {
            let name = try #require(VolumeName(volume["name"]?.stringValue ?? ""))
            #expect(written.contains(name.description))
            #expect(volume["in_use"] == 0 && (volume["bytes"]?.intValue ?? .max) < 50 << 30)
            let order = SpawnRequest(
                workspace: name.possibleWorkspaces.first ?? "", buildID: "b-look", attempt: 1,
                size: WireSize(tier: nil, cpu: 1, memoryMB: 1024),
                timeBudgetMinutes: 5, leaseSeconds: 300, sshPublicKey: key,
                volume: VolumeRequest(from: [name], to: nil))
            let runner = try await orchestrator.readyRunner(order)
            #expect(runner.volume?.state == .warm, "\(name): \(runner.volume?.reason ?? "")")
            try await orchestrator.destroy(runner.id)
        }
    }
}

/// A build of CI's or of a session's, which leaves a marker on its volume.
private struct MixedBuild: Sendable {
    let number: Int
    let workspace: String
    let actor: String?
    /// nil for the admin's.
    let token: String?

    init(number: Int, random: inout SeededGenerator) {
        self.number = number
        workspace = TokenWatch.workspaces[Int.random(in: 0...1, using: &random)]
        actor = [nil, "ada", "bob"].randomElement(using: &random) ?? nil
        let own = actor == nil ? TokenWatch.ofCI(workspace) : TokenWatch.ofSessions(workspace)
        token = Int.random(in: 0...2, using: &random) == 0 ? nil : own
    }

    var image: String { "\(workspace)/app-\(number)" }
    var marker: String { "of-\(actor.map { "session-\($0)" } ?? "ci")-\(workspace)-\(number)" }

    var volume: VolumeName {
        let layers = CacheLayers(
            registry: "r", namespace: nil, workspace: workspace, owner: actor.map { .session(actor: $0) } ?? .ci)
        guard let names = layers.volumes(named: "shared") else { preconditionFailure("the names here are short") }
        return names.to
    }

    func run(in scene: BuildScene) async throws {
        let context = try scene.context(
            BuildScene.shell
                + """
                COPY marker /marker
                RUN --mount=type=cache,target=/c busybox cp /marker /c/\(number) && busybox cat /c/* > /found

                """, files: ["marker": "\(marker)\n"])
        let flags = [
            "--workspace", workspace, "--context", context, "--image", "\(scene.registry.host)/\(image):1", "--volume",
            "shared",
        ]
        let build = try await scene.build(
            flags + (actor.map { ["--actor", $0] } ?? []),
            environment: token.map { ["ORCHESTRATOR_TOKEN": $0] } ?? [:])
        #expect(build.status == 0, "\(build.story)")
        #expect(build["volume"]["name"] == .string(volume.description), "\(build.story)")
        #expect(["warm", "cold"].contains(build["volume"]["state"]), "\(build.story)")
        #expect(build["volume"]["kept"] == true || build["volume"]["reason"] == "superseded", "\(build.story)")
        #expect(try scene.callersRemains().isEmpty)
    }

    /// The markers in all layers of its image.
    func markers(in registry: Registry) async throws -> Set<String> {
        var found: Set<String> = []
        for layer in try await registry.manifest(of: image, tag: "1")["layers"]?.arrayValue ?? [] {
            let digest = layer["digest"]?.stringValue ?? ""
            let bytes = try await runTool("/bin/gzip", ["-dcf", registry.file(of: digest)])
            found.formUnion(
                bytes.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init).filter {
                    $0.hasPrefix("of-session-") || $0.hasPrefix("of-ci-")
                })
        }
        return found
    }
}
