import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Where a test's volumes lie.
enum VolumeGround: String, CaseIterable, Codable, Sendable {
    case btrfs, reflink, exclusive

    static let clones: [VolumeGround] = [.btrfs, .reflink]

    func storage(below state: String) throws -> any VolumeStorage {
        let folders = VolumeFolders(root: "\(state)/volumes")
        try folders.prepare()
        return switch self {
        case .btrfs: BtrfsVolumes(folders: folders, program: findExecutable("btrfs", path: systemPrograms))
        case .reflink: ReflinkVolumes(folders: folders)
        case .exclusive: ExclusiveVolumes(folders: folders)
        }
    }
}

func volumeName(_ text: String) -> VolumeName {
    guard let name = VolumeName(text) else { preconditionFailure("\(text) \(VolumeName.rule)") }
    return name
}

/// The state folder of an orchestrator, with volumes in it. A test's changes to the time are its own.
final class VolumeScene: Sendable {
    let state: String
    let ground: VolumeGround
    let time = Guarded(1_000_000)
    let logLines = Guarded<[String]>([])
    /// What was opened, as long as it is there.
    private let opened = Guarded<[@Sendable () -> Volumes?]>([])

    static let engine = EngineKind(name: "buildkit 0.32", layout: "overlayfs")
    static let platform = "linux/amd64"
    static let name = volumeName("ci/acme/app")
    static let ample = Volumes.Limits(each: 1 << 40, all: 1 << 40, days: 10)

    init(state: String, ground: VolumeGround) {
        self.state = state
        self.ground = ground
    }

    static func with(
        _ ground: VolumeGround, megabytes: Int = 512, _ body: (VolumeScene) async throws -> Void
    ) async throws {
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "state").path
            try makeFolder("\(state)/volumes")
            let scene = VolumeScene(state: state, ground: ground)
            func settled() async throws {
                let result: Result<Void, any Error>
                do { result = .success(try await body(scene)) } catch { result = .failure(error) }
                scene.settle()
                try result.get()
            }
            switch ground {
            case .exclusive: try await settled()
            case .btrfs, .reflink:
                let kind = ground == .btrfs ? "btrfs" : "xfs"
                try await withLoopDisk(kind, megabytes: megabytes, at: "\(state)/volumes") {
                    try await settled()
                }
            }
        }
    }

    var log: EventLog {
        EventLog(.json) { [logLines] line in logLines.set(logLines.value + [line]) }
    }

    func hasLogged(_ event: String) -> Bool { logLines.value.contains { $0.contains("\"event\":\"\(event)\"") } }

    var clock: BootClock {
        BootClock(bootID: "boot-1", now: { [time] in time.value }, wallClock: { [time] in time.value })
    }

    func storage() throws -> any VolumeStorage { try ground.storage(below: state) }

    func open(
        _ limits: Volumes.Limits = VolumeScene.ample, storage: (any VolumeStorage)? = nil, store: String? = nil,
        awaiting finders: [Place: Volumes.Finder] = [:]
    ) throws -> Volumes {
        if store == nil { settle() }
        let volumes = try Volumes(
            store: Store(path: store ?? "\(state)/store.sqlite"), awaiting: finders, limits: limits, clock: clock,
            log: log)
        volumes.serve(VolumeShelf(try storage ?? self.storage(), at: .machine))
        opened.set(opened.value + [{ [weak volumes] in volumes }])
        return volumes
    }

    func finishChores() {
        for volumes in opened.value { volumes()?.close() }
    }

    /// Ends the chores of all that was opened, and waits for what nobody else holds any more to be gone: two cannot have
    /// the store at the same time.
    func settle() {
        finishChores()
        let end = ContinuousClock.now + .seconds(10)
        while opened.value.contains(where: { $0() != nil }), ContinuousClock.now < end { usleep(1000) }
    }

    func contents() throws -> VolumeContents { try storage().contents() }

    /// What is left of volumes that were deleted.
    func trash() throws -> [String] { try folderEntries("\(state)/volumes/trash") }
}

extension Volumes {
    func lend(
        _ runnerID: String, from: [VolumeName] = [VolumeScene.name], to: VolumeName? = VolumeScene.name,
        workspace: String = "acme", engine: EngineKind = VolumeScene.engine, platform: String = VolumeScene.platform,
        at place: Place = .machine
    ) -> Lending {
        lend(
            to: runnerID, at: place, VolumeRequest(from: from, to: to), workspace: workspace, engine: engine,
            platform: platform)
    }

    func keep(lentTo runnerID: String, executedMS: Int) -> KeptVolume {
        keep(lentTo: runnerID, executedMS: executedMS, by: "local")
    }

    func takeBack(from runnerID: String) throws { try takeBack(from: runnerID, at: .machine) }

    func reconcile(living: Set<String>) throws {
        try reconcile(#require(shelf(at: .machine)), living: { living })
    }

    /// A build that leaves the text on its volume and is kept, and the runner's end.
    @discardableResult
    func build(
        _ runnerID: String, leaving text: String, executedMS: Int = 10, from: [VolumeName] = [VolumeScene.name],
        to: VolumeName = VolumeScene.name, at place: Place = .machine
    ) throws -> KeptVolume {
        let lending = lend(runnerID, from: from, to: to, at: place)
        try lending.write(text)
        let answer = keep(lentTo: runnerID, executedMS: executedMS)
        try takeBack(from: runnerID, at: place)
        tidy()
        return answer
    }
}

extension Lending {
    /// Where the engine's data goes.
    var engineData: String? { folder.map { "\($0)/engine" } }

    /// The text that a build has left on it; nil on an empty one.
    var text: String? { engineData.flatMap { try? String(contentsOfFile: "\($0)/state/text", encoding: .utf8) } }

    func write(_ text: String) throws {
        let folder = try #require(engineData)
        try makeFolder("\(folder)/state")
        try writeFile("\(folder)/state/text", text)
    }

    var generation: Int? { found.generation }
    var reason: VolumeColdReason? { found.reason.flatMap { VolumeColdReason(rawValue: $0) } }
}

extension KeptVolume {
    var discard: VolumeDiscardReason? { reason.flatMap { VolumeDiscardReason(rawValue: $0) } }
}
