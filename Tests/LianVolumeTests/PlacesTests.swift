import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Volumes of providers on other machines beside those of this one.
@Suite struct PlacesTests {
    private static let far = Place.elsewhere("far")

    private func found(_ scene: VolumeScene, below folder: String = "far") throws -> FoundVolumes {
        try makeFolder("\(scene.state)/\(folder)")
        return FoundVolumes(storage: try VolumeGround.exclusive.storage(below: "\(scene.state)/\(folder)"), reason: "")
    }

    /// A volume lies at one place. Runners of another one begin without it, and what they leave takes its place.
    @Test func aVolumeLiesAtOnePlace() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let volumes = try scene.open(awaiting: [Self.far: { try found(scene) }])
            try volumes.open(Self.far) { [] }
            try volumes.build("r-1", leaving: "one")
            let away = volumes.lend("r-2", at: Self.far)
            #expect(away.reason == .otherProvider && away.text == nil)
            try away.write("two")
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1, by: "far").generation == 2)
            try volumes.takeBack(from: "r-2", at: Self.far)
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents())
            #expect(volumes.list().map(\.provider) == ["far"])
            #expect(volumes.lend("r-3").reason == .otherProvider)
            #expect(volumes.lend("r-4", at: Self.far).text == "two")
            #expect(volumes.lend("r-5", at: .elsewhere("further")).reason == .notOffered)
            #expect(volumes.support(at: Self.far) == .exclusive)
            #expect(volumes.support(at: .elsewhere("further")) == VolumeSupport.none)
        }
    }

    /// Nothing is handed out, taken back or forgotten at a place whose storage was not found yet; then all is as it was.
    @Test func aPlaceThatIsNotThereAtTheStart() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let isThere = Guarded(true)
            let finder: Volumes.Finder = {
                guard isThere.value else { throw ProviderError("it does not answer") }
                return try found(scene)
            }
            let other = volumeName("ci/acme/other")
            try await { () async throws in
                let volumes = try scene.open(awaiting: [Self.far: finder])
                try volumes.open(Self.far) { [] }
                try volumes.build("r-1", leaving: "one", at: Self.far)
                try volumes.lend("r-2", from: [], to: other, at: Self.far).write("half")
            }()
            isThere.set(false)
            let volumes = try scene.open(awaiting: [Self.far: finder])
            #expect(throws: ProviderError.self) { try volumes.open(Self.far) { [] } }
            #expect(volumes.awaits(Self.far) && volumes.support(at: Self.far) == nil)
            #expect(volumes.list().map(\.name) == [VolumeScene.name])
            #expect(volumes.lend("r-3", at: Self.far).reason == .noRoom)
            #expect(volumes.lend("r-4").reason == .otherProvider)
            #expect(throws: ProviderError.self) { try volumes.takeBack(from: "r-2", at: Self.far) }
            try volumes.takeBack(from: "r-3", at: Self.far)

            isThere.set(true)
            try volumes.open(Self.far) { [] }
            #expect(!volumes.awaits(Self.far))
            let storage = try found(scene).storage
            #expect(try storage.contents() == VolumeContents(kept: ["r-1"], lent: []))
            #expect(volumes.lend("r-5", at: Self.far).text == "one")
        }
    }

    /// What lies where no provider is any more is neither shown nor deleted, and is there when that one is back.
    @Test func aPlaceThatIsNotServedAnyMore() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            try await { () async throws in
                let volumes = try scene.open(awaiting: [Self.far: { try found(scene) }])
                try volumes.open(Self.far) { [] }
                try volumes.build("r-1", leaving: "one", at: Self.far)
            }()
            try await { () async throws in
                let volumes = try scene.open()
                try volumes.reconcile(living: [])
                #expect(volumes.list().isEmpty && !volumes.delete(VolumeScene.name))
            }()
            let volumes = try scene.open(awaiting: [Self.far: { try found(scene) }])
            try volumes.open(Self.far) { [] }
            #expect(volumes.lend("r-2", at: Self.far).text == "one")
        }
    }

    /// Two providers may be two doors to one cluster: what one has there is not the other's to remove.
    @Test func twoPlacesOnOneStorage() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let further = Place.elsewhere("further")
            let living = Guarded<Set<String>>([])
            let volumes = try scene.open(
                awaiting: [Self.far: { try found(scene) }, further: { try found(scene) }])
            try volumes.open(Self.far) { living.value }
            try volumes.build("r-1", leaving: "one", at: Self.far)
            try volumes.lend("r-2", from: [], to: volumeName("ci/acme/other"), at: Self.far).write("half")
            living.set(["r-2"])
            try volumes.open(further) { living.value }
            #expect(try found(scene).storage.contents() == VolumeContents(kept: ["r-1"], lent: ["r-2"]))
        }
    }

    /// The bound of all is each place's own, since each has its own disk.
    @Test func boundsAreOfEachPlace() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let volumes = try scene.open(awaiting: [Self.far: { try found(scene) }])
            try volumes.open(Self.far) { [] }
            let names = (0..<4).map { volumeName("ci/acme/app-\($0)") }
            for (number, name) in names.enumerated() {
                scene.time.set(scene.time.value + 1)
                try volumes.build("r-\(number)", leaving: "text", to: name, at: number < 2 ? .machine : Self.far)
            }
            let bytes = try #require(volumes.list().first?.bytes)
            volumes.limit(Volumes.Limits(each: 1 << 30, all: bytes, days: 10))
            volumes.tidy()
            #expect(volumes.list().map(\.name) == [names[1], names[3]])
        }
    }

    /// Without a figure it is half of the disk.
    @Test(arguments: [
        (Int?.none, Int?.some(100 << 30), 50 << 30), (nil, 1 << 40, 200 << 30), (3 << 30, 1 << 40, 3 << 30),
        (nil, nil, Int.max),
    ])
    func theBoundOfAll(all: Int?, disk: Int?, bound: Int) {
        let limits = Volumes.Limits(each: 1, all: all, days: 1)
        #expect(limits.all(in: disk.map { VolumeRoom(free: 1, size: $0) }) == bound)
    }
}
