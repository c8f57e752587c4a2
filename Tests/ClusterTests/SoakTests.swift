import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Many builds at once on the cluster while its members die and come back, one after the other; which and how follows
/// from the seed. `scripts/soak-cluster SEED COUNT` runs more of them than a normal run does.
extension Clustered.Builds {
    @Suite(.needsNATSServer, .needsNickel) struct SoakTests {
        private let seed: UInt64
        private let count: Int
        private static let width = 6
        private static let stranger = "lian-stranger"

        init() {
            let environment = ProcessInfo.processInfo.environment
            seed = environment["LIAN_SOAK_SEED"].flatMap { UInt64($0) } ?? 1
            count = environment["LIAN_SOAK_COUNT"].flatMap { Int($0) } ?? 6
        }

        @Test(.timeLimit(.minutes(60))) func manyBuildsWhileMembersDie() async throws {
            try await withClusterStage { ground in
                try await ground.cluster.lxc(["init", Cluster.image, Self.stranger])
                let isOver = Guarded(false)
                async let deaths = killMembers(of: ground.cluster, until: isOver)
                let ended: Result<[(build: FinishedBuild, digest: String?)], any Error>
                do { ended = .success(try await runAll(on: ground)) } catch { ended = .failure(error) }
                isOver.set(true)
                let told = try await deaths
                let builds = try ended.get()
                for (build, digest) in builds {
                    #expect([0, 3, 4].contains(build.status), "\(build.story)")
                    // What died while it pushed may have pushed all of it, which nobody is there to tell.
                    #expect(build.digest == (build.status == 0 ? digest : nil), "\(build.story)")
                    #expect((build.status == 0) == (build.digest != nil))
                    #expect(build.status == 0 || !build.message.isEmpty && !build.hint.isEmpty)
                }
                let orchestrator = ground.stage.orchestrator
                // A lease, and what a teardown may take on a busy machine.
                #expect(
                    try await eventually(within: .seconds(300)) { try await orchestrator.runners().isEmpty },
                    "\(orchestrator.log)")
                #expect(try await eventually { try await ground.cluster.instances() == [Self.stranger] })
                try await ground.cluster.lxc(["delete", Self.stranger])
                let endings = Dictionary(grouping: builds) { $0.build.status }.mapValues(\.count)
                let exits = endings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                let line =
                    "soak: seed \(seed), \(count) builds, exits \(exits), died: \(told.joined(separator: ", "))\n"
                FileHandle.standardError.write(Data(line.utf8))
            }
        }

        /// Each with the digest under which the registry has its image.
        private func runAll(on ground: ClusterStage) async throws -> [(build: FinishedBuild, digest: String?)] {
            try await withShortTemporaryFolder { folder in
                try await withThrowingTaskGroup(of: (FinishedBuild, String?).self) { group in
                    var finished: [(FinishedBuild, String?)] = []
                    for number in 1...count {
                        if number > Self.width, let one = try await group.next() { finished.append(one) }
                        let own = folder.appending(path: "\(number)")
                        try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                        let scene = try BuildScene(ground.stage, folder: own)
                        group.addTask {
                            let context = try scene.context("\(BuildScene.shell)RUN echo \(number) && sleep 2\n")
                            let build = try await scene.build(context: context)
                            return (build, try await scene.pushedDigest())
                        }
                    }
                    for try await one in group { finished.append(one) }
                    return finished
                }
            }
        }

        /// One at a time, so that the others go on; returns what died. In the end all are back.
        private func killMembers(of cluster: Cluster, until isOver: Guarded<Bool>) async throws -> [String] {
            var random = SeededGenerator(seed: seed)
            var told: [String] = []
            while !isOver.value {
                let member = random.pick(Cluster.names)
                if random.oneIn(2) {
                    told.append("host \(member)")
                    try await cluster.killHost(of: member)
                } else {
                    told.append("daemon \(member)")
                    cluster.killDaemon(of: member)
                }
                try await Task.sleep(for: .seconds(Int.random(in: 1...8, using: &random)))
                try await cluster.start(member)
                #expect(await eventually { await cluster.isWhole(at: member) })
                try await Task.sleep(for: .seconds(Int.random(in: 5...15, using: &random)))
            }
            return told
        }
    }
}
