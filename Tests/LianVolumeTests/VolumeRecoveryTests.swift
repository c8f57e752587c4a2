import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// A storage that tells of the beginning and the end of each call, where its process may end or the call may fail.
struct InterruptedStorage: VolumeStorage {
    private let inner: any VolumeStorage
    private let reached: @Sendable (String) throws(VolumeStorageError) -> Void

    init(_ inner: any VolumeStorage, reached: @escaping @Sendable (String) throws(VolumeStorageError) -> Void) {
        self.inner = inner
        self.reached = reached
    }

    var name: String { inner.name }
    var support: VolumeSupport { inner.support }
    var keepsByMoving: Bool { inner.keepsByMoving }
    func folder(lentTo runnerID: String) -> String { inner.folder(lentTo: runnerID) }
    func contents() throws(VolumeStorageError) -> VolumeContents { try inner.contents() }
    func room() throws(VolumeStorageError) -> VolumeRoom { try inner.room() }
    func close() throws(VolumeStorageError) { try inner.close() }

    private func call<Value>(
        _ name: String, _ body: () throws(VolumeStorageError) -> Value
    ) throws(VolumeStorageError) -> Value {
        try reached("\(name) begins")
        let value = try body()
        try reached("\(name) ends")
        return value
    }

    func make(for runnerID: String) throws(VolumeStorageError) {
        try call("make") { () throws(VolumeStorageError) in try inner.make(for: runnerID) }
    }
    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError) {
        try call("clone") { () throws(VolumeStorageError) in try inner.clone(generation, for: runnerID) }
    }
    func fault(lentTo runnerID: String) throws(VolumeStorageError) -> String? {
        try call("fault") { () throws(VolumeStorageError) in try inner.fault(lentTo: runnerID) }
    }
    func size(lentTo runnerID: String) throws(VolumeStorageError) -> Int {
        try call("size") { () throws(VolumeStorageError) in try inner.size(lentTo: runnerID) }
    }
    func flush(lentTo runnerID: String) throws(VolumeStorageError) {
        try call("flush") { () throws(VolumeStorageError) in try inner.flush(lentTo: runnerID) }
    }
    func keep(lentTo runnerID: String, as generation: String) throws(VolumeStorageError) {
        try call("keep") { () throws(VolumeStorageError) in try inner.keep(lentTo: runnerID, as: generation) }
    }
    func remove(lentTo runnerID: String) throws(VolumeStorageError) {
        try call("remove a clone") { () throws(VolumeStorageError) in try inner.remove(lentTo: runnerID) }
    }
    func remove(generation: String) throws(VolumeStorageError) {
        try call("remove a generation") { () throws(VolumeStorageError) in try inner.remove(generation: generation) }
    }
    func emptyTrash() throws(VolumeStorageError) {
        try call("empty the trash") { () throws(VolumeStorageError) in try inner.emptyTrash() }
    }
}

/// kill -9 at each step: what was kept before is there, or what was being kept.
@Suite(.needsFileSystems, .serialized) struct VolumeRecoveryTests {
    private static let ofLending = ["clone", "fault"]
    private static let ofKeeping = ["fault", "size", "flush", "keep"]
    private static let ofTakingBack = ["remove a clone", "empty the trash"]

    private static func points(_ calls: [String]) -> [String] {
        calls.flatMap { ["\($0) begins", "\($0) ends"] }
    }

    /// What the process does that is killed.
    static func liveUntil(_ point: String, of phase: String, _ state: String, _ ground: VolumeGround, runner: String)
        throws
    {
        let scene = VolumeScene(state: state, ground: ground)
        let phaseUnderWay = Guarded("lend")
        let storage = InterruptedStorage(try scene.storage()) { reached in
            if phaseUnderWay.value == phase && reached == point { kill(getpid(), SIGKILL) }
        }
        let volumes = try scene.open(storage: storage)
        let lending = volumes.lend(runner)
        try lending.write(runner)
        phaseUnderWay.set("keep")
        _ = volumes.keep(lentTo: runner, executedMS: 1)
        phaseUnderWay.set("take back")
        try volumes.takeBack(from: runner)
        volumes.tidy()
    }

    @Test("row 53: kill -9 at each step of keep and of clone", arguments: VolumeGround.allCases)
    func killedAtEachStep(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let steps =
                Self.points(Self.ofLending).map { ("lend", $0) } + Self.points(Self.ofKeeping).map { ("keep", $0) }
                + Self.points(Self.ofTakingBack).map { ("take back", $0) }
                // Where the generation itself was handed over, it went with the runner.
                + (ground == .exclusive ? [] : Self.points(["remove a generation"]).map { ("take back", $0) })
            for (number, (phase, point)) in steps.enumerated() {
                for outlives in [false, true] {
                    let old = "old-\(number)-\(outlives)"
                    let new = "new-\(number)-\(outlives)"
                    try scene.open().build(old, leaving: old)
                    let state = scene.state
                    await #expect(processExitsWith: .signal(SIGKILL), "\(phase), \(point)") {
                        [
                            point = point as String, phase = phase as String, state = state as String,
                            ground = ground as VolumeGround, new = new as String
                        ] in
                        try VolumeRecoveryTests.liveUntil(point, of: phase, state, ground, runner: new)
                    }
                    try check(scene, phase, point, old: old, new: new, outlives: outlives)
                }
            }
        }
    }

    private func check(
        _ scene: VolumeScene, _ phase: String, _ point: String, old: String, new: String, outlives: Bool
    ) throws {
        let step: Comment = "\(scene.ground), \(phase), \(point), the runner \(outlives ? "lives on" : "is gone")"
        scene.logLines.set([])
        let volumes = try scene.open()
        try volumes.reconcile(living: outlives ? [new] : [])
        if outlives && phase == "keep" {
            #expect(volumes.keep(lentTo: new, executedMS: 1).kept, step)
        }
        try volumes.takeBack(from: new)
        volumes.tidy()
        let next = volumes.lend("next")
        if next.found.state == .cold {
            // Only what was handed over can be lost, and that is said.
            #expect(scene.ground == .exclusive && scene.hasLogged("volume_lost"), step)
            #expect(phase == "lend" || !outlives, step)
        } else {
            #expect(next.text == old || next.text == new, step)
            if phase == "take back" || (phase == "keep" && outlives) { #expect(next.text == new, step) }
        }
        let isLentItself = scene.ground == .exclusive
        #expect(try scene.contents().kept.count == (isLentItself ? 0 : next.found.state == .warm ? 1 : 0), step)
        #expect(try scene.contents().lent == ["next"], step)
        try volumes.takeBack(from: "next")
        volumes.tidy()
        #expect(try scene.trash().isEmpty, step)
        #expect(volumes.books.lendings.isEmpty, step)
    }

    @Test(arguments: VolumeGround.allCases) func whatNobodyKnowsIsRemoved(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let storage = try scene.storage()
            for name in ["r-1", "r-2"] { try storage.make(for: name) }
            try storage.keep(lentTo: "r-1", as: "g-1")
            let volumes = try scene.open()
            try volumes.reconcile(living: ["r-2"])
            #expect(try scene.contents() == VolumeContents())
        }
    }

    @Test func whatRunnersThatLiveOnHaveStays() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            do {
                let volumes = try scene.open()
                for runner in ["r-1", "r-2"] { try volumes.lend(runner).write(runner) }
            }
            let volumes = try scene.open()
            try volumes.reconcile(living: ["r-2"])
            #expect(try scene.contents().lent == ["r-2"])
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).kept)
            #expect(volumes.lend("r-3").text == "r-2")
        }
    }

    @Test func aHeadWithoutFilesIsLostAndThatIsSaid() async throws {
        try await VolumeScene.with(.reflink) { scene in
            do { try scene.open().build("r-1", leaving: "one") }
            try FileManager.default.removeItem(atPath: "\(scene.state)/volumes/kept/r-1")
            let volumes = try scene.open()
            try volumes.reconcile(living: [])
            #expect(scene.hasLogged("volume_lost") && volumes.list().isEmpty)
        }
    }
}
