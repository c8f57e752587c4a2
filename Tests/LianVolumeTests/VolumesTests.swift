import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The books of volumes, on each of the local storages.
@Suite(.needsFileSystems) struct VolumesTests {
    private static let name = VolumeScene.name
    private static let session = volumeName("dev/ada-acme/app")

    @Test(arguments: VolumeGround.allCases) func theFirstIsColdAndTheNextWarm(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            let first = volumes.lend("r-1")
            #expect(first.reason == .noneYet)
            let folder = try #require(first.folder)
            #expect(try folderEntries(folder) == ["contexts", "engine"])
            #expect(first.found.path == "\(folder)/contexts")
            try first.write("one")
            let kept = volumes.keep(lentTo: "r-1", executedMS: 10)
            #expect(kept.kept && kept.generation == 1 && kept.volume == Self.name && kept.bytes ?? 0 > 0)
            #expect(volumes.keep(lentTo: "r-1", executedMS: 99) == kept)
            try volumes.takeBack(from: "r-1")
            try volumes.takeBack(from: "r-1")

            let second = volumes.lend("r-2")
            #expect(second.found.state == .warm && second.found.from == Self.name && second.generation == 1)
            #expect(second.found.bytes == kept.bytes && second.text == "one")
            #expect(volumes.list { $0 == "acme" }.map(\.inUse) == [1])
            #expect(volumes.list { $0 == "other" }.isEmpty)
            try second.write("two")
            #expect(volumes.keep(lentTo: "r-2", executedMS: 10).generation == 2)
            try volumes.takeBack(from: "r-2")
            volumes.tidy()
            #expect(volumes.list().map(\.generation) == [2])
            #expect(try scene.contents() == VolumeContents(kept: ["r-2"], lent: []))
            #expect(try scene.trash().isEmpty)
            #expect(scene.hasLogged("volume_lent") && scene.hasLogged("volume_kept"))
        }
    }

    @Test(arguments: VolumeGround.clones) func nobodyWorksOnWhatIsKept(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            let second = volumes.lend("r-2")
            try second.write("two")
            #expect(volumes.lend("r-3").text == "one")
            try volumes.takeBack(from: "r-2")
            #expect(volumes.lend("r-4").text == "one")
        }
    }

    /// What was moved to where it is kept can still be written to by its runner.
    @Test(arguments: [VolumeGround.reflink, .exclusive])
    func whatWasMovedIsFreeOnceItsRunnerIsGone(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.lend("r-1").write("one")
            #expect(volumes.keep(lentTo: "r-1", executedMS: 1).kept)
            #expect(volumes.lend("r-2").reason == .inUse)
            try volumes.takeBack(from: "r-1")
            #expect(volumes.lend("r-3").text == "one")
        }
    }

    @Test func whatIsHandedOverIsInUseAndLostWithItsRunner() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            #expect(volumes.lend("r-2").text == "one")
            let third = volumes.lend("r-3")
            #expect(third.reason == .inUse && third.folder != nil)
            try volumes.takeBack(from: "r-3")
            #expect(!scene.hasLogged("volume_lost"))
            // What may not be written may not be taken away either.
            try volumes.takeBack(from: "r-2")
            #expect(scene.hasLogged("volume_lost"))
            #expect(volumes.list().isEmpty)
            #expect(volumes.lend("r-4").reason == .noneYet)
        }
    }

    @Test func aVolumeToReadAloneIsNotTakenAway() async throws {
        try await VolumeScene.with(.exclusive) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            let session = volumes.lend("r-2", from: [Self.session, Self.name], to: Self.session)
            #expect(session.reason == .noneYet && session.folder != nil)
            #expect(volumes.lend("r-3", to: nil).folder == nil)
            #expect(volumes.lend("r-4").text == "one")
        }
    }

    @Test("row 52: two builds from one generation: the head is the one that executed more")
    func theOneThatExecutedMore() async throws {
        for ground in VolumeGround.clones {
            try await VolumeScene.with(ground) { scene in
                let volumes = try scene.open()
                try volumes.build("r-0", leaving: "zero")
                for (number, (first, last)) in [(10, 500), (500, 10), (20, 20)].enumerated() {
                    let runners = ["r-\(number)-first", "r-\(number)-last"]
                    for runner in runners { try volumes.lend(runner).write(runner) }
                    let answers = zip(runners, [first, last]).map { volumes.keep(lentTo: $0, executedMS: $1) }
                    for runner in runners { try volumes.takeBack(from: runner) }
                    volumes.tidy()
                    #expect(answers[0].kept)
                    #expect(answers[1].kept == (last > first))
                    if last <= first { #expect(answers[1].discard == .superseded) }
                    #expect(volumes.lend("r-\(number)-next").text == (last > first ? runners[1] : runners[0]))
                    try volumes.takeBack(from: "r-\(number)-next")
                    volumes.tidy()
                    #expect(try scene.contents().kept.count == 1)
                }
            }
        }
    }

    /// ada in b-acme and ada-b in acme call theirs the same: the first one kept has the name, however much the other did.
    @Test func aNameOfTwoStaysWithTheFirst() async throws {
        for ground in VolumeGround.clones {
            try await VolumeScene.with(ground) { scene in
                let volumes = try scene.open()
                let name = volumeName("dev/ada-b-acme/app")
                for (runner, workspace) in [("r-1", "b-acme"), ("r-2", "acme")] {
                    try volumes.lend(runner, from: [name], to: name, workspace: workspace).write(workspace)
                }
                #expect(volumes.keep(lentTo: "r-1", executedMS: 1).kept)
                #expect(volumes.keep(lentTo: "r-2", executedMS: 1000).discard == .superseded)
                for runner in ["r-1", "r-2"] { try volumes.takeBack(from: runner) }
                #expect(volumes.list { $0 == "b-acme" }.count == 1 && volumes.list { $0 == "acme" }.isEmpty)
                #expect(volumes.lend("r-3", from: [name], to: name, workspace: "b-acme").text == "b-acme")
                #expect(volumes.lend("r-4", from: [name], to: name, workspace: "acme").folder == nil)
            }
        }
    }

    @Test func theFirstThatFitsIsTaken() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "ci")
            let both = [Self.session, Self.name]
            #expect(volumes.lend("r-2", from: both, to: Self.session).text == "ci")
            try volumes.build("r-3", leaving: "dev", to: Self.session)
            #expect(volumes.lend("r-4", from: both, to: Self.session).text == "dev")
            let odd: [(String, EngineKind, String)] = [
                ("r-5", EngineKind(name: "buildkit 0.33", layout: "overlayfs"), VolumeScene.platform),
                ("r-6", EngineKind(name: "buildkit 0.32", layout: "native"), VolumeScene.platform),
                ("r-7", VolumeScene.engine, "linux/arm64"),
            ]
            for (runner, engine, platform) in odd {
                #expect(volumes.lend(runner, from: both, engine: engine, platform: platform).reason == .otherEngine)
            }
            let newer = odd[0].1
            let other = volumes.lend("r-8", from: [Self.session], to: Self.session, engine: newer)
            try other.write("newer")
            #expect(volumes.keep(lentTo: "r-8", executedMS: 1).kept)
            #expect(volumes.lend("r-9", from: both).text == "ci")
        }
    }

    @Test func onlyWhatWasAskedForIsKept() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            #expect(volumes.lend("r-2", to: nil).text == "one")
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .notAsked)
            let third = volumes.lend("r-3", from: [Self.session], to: nil)
            #expect(third == Lending(found: RunnerVolume(state: .cold, reason: "none_yet"), folder: nil))
            #expect(volumes.keep(lentTo: "r-3", executedMS: 1).discard == .notAsked)
            #expect(try scene.contents().lent == ["r-2"])
        }
    }

    @Test(arguments: VolumeGround.allCases) func anEngineThatDoesNotStart(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            #expect(volumes.lend("r-2").text == "one")
            let empty = volumes.doesNotStart(lentTo: "r-2", hasEnded: true)
            #expect(empty.reason == .damaged && empty.folder != nil && empty.text == nil)
            #expect(scene.hasLogged("volume_damaged") && !scene.hasLogged("volume_lost"))
            #expect(volumes.lend("r-3").reason == .damaged)
            try volumes.takeBack(from: "r-3")
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents(kept: [], lent: ["r-2"]))
            try empty.write("two")
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).generation == 2)
            try volumes.takeBack(from: "r-2")
            #expect(volumes.lend("r-4").text == "two")
        }
    }

    /// A busy machine may be at fault once.
    @Test(arguments: VolumeGround.clones) func anEngineThatIsSlowToStart(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            #expect(volumes.lend("r-2").text == "one")
            let empty = volumes.doesNotStart(lentTo: "r-2", hasEnded: false)
            #expect(empty.reason == .damaged && empty.text == nil)
            #expect(volumes.lend("r-3").text == "one" && !scene.hasLogged("volume_damaged"))
            _ = volumes.doesNotStart(lentTo: "r-3", hasEnded: false)
            #expect(scene.hasLogged("volume_damaged") && volumes.lend("r-4").reason == .damaged)
        }
    }

    @Test(arguments: VolumeGround.clones) func whatASessionDoesToItsCopyIsNotCIsFault(_ ground: VolumeGround)
        async throws
    {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "ci")
            #expect(volumes.lend("r-2", from: [Self.session, Self.name], to: Self.session).text == "ci")
            volumes.failedEngine(lentTo: "r-2", "exit status 2")
            #expect(volumes.lend("r-3").text == "ci")
            volumes.failedEngine(lentTo: "r-3", "exit status 2")
            #expect(volumes.lend("r-4").reason == .damaged)
        }
    }

    @Test(arguments: VolumeGround.allCases) func whatIsTooLargeIsNotKept(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open(Volumes.Limits(each: 1 << 20, all: 1 << 40, days: 10))
            try volumes.build("r-1", leaving: "one")
            let second = volumes.lend("r-2")
            try writeFile("\(try #require(second.engineData))/large", String(repeating: "x", count: 2 << 20))
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .tooLarge)
            try volumes.takeBack(from: "r-2")
            #expect(scene.hasLogged("volume_discarded"))
            #expect(volumes.lend("r-3").text == (ground == .exclusive ? nil : "one"))
        }
    }

    @Test(arguments: VolumeGround.allCases) func whatIsDeletedGoesWithItsRunner(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            let second = volumes.lend("r-2")
            #expect(volumes.delete(Self.name))
            #expect(!volumes.delete(Self.name) && volumes.list().isEmpty)
            volumes.tidy()
            #expect(second.text == "one")
            #expect(volumes.lend("r-3").reason == .noneYet)
            // What came of it does not come back under its name; what began after it does.
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .notAsked)
            #expect(volumes.keep(lentTo: "r-3", executedMS: 1).kept)
            try volumes.takeBack(from: "r-2")
            try volumes.takeBack(from: "r-3")
            volumes.tidy()
            #expect(!scene.hasLogged("volume_lost"))
            #expect(try scene.contents() == VolumeContents(kept: ["r-3"], lent: []))
            #expect(volumes.delete(Self.name))
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents() && scene.trash().isEmpty)
        }
    }

    @Test func theLongestUnusedGoesAndNeverOneInUse() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let names = (0..<4).map { volumeName("ci/acme/app-\($0)") }
            var volumes = try scene.open()
            for (number, name) in names.enumerated() {
                try volumes.build("r-\(number)", leaving: name.description, from: [], to: name)
                scene.time.set(scene.time.value + 1000)
            }
            // The first is used again, and the second still is.
            #expect(volumes.lend("u-0", from: [names[0]]).text == names[0].description)
            try volumes.takeBack(from: "u-0")
            #expect(volumes.lend("u-1", from: [names[1]], to: nil).text == names[1].description)
            let each = try #require(volumes.list().first?.bytes)
            volumes = try scene.open(
                Volumes.Limits(each: 1 << 40, all: each * 2, days: 10), store: try copyOfStore(scene))
            volumes.tidy()
            // The third was the longest unused one, then the fourth.
            #expect(volumes.list().map(\.name) == [names[0], names[1]])
            scene.time.set(scene.time.value + 10 * 24 * 3_600_000 + 1)
            volumes.tidy()
            #expect(volumes.list().map(\.name) == [names[1]])
            try volumes.takeBack(from: "u-1")
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents())
            #expect(scene.hasLogged("volume_evicted"))
        }
    }

    /// The store of a process that was killed: SQLite lets two processes share none.
    private func copyOfStore(_ scene: VolumeScene) throws -> String {
        scene.finishChores()
        let copy = "\(scene.state)/copy.sqlite"
        for end in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: "\(scene.state)/store.sqlite\(end)", toPath: "\(copy)\(end)")
        }
        return copy
    }

    @Test func withLittleRoomTheUnusedGoAndThenAllBeginCold() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let volumes = try scene.open()
            let other = volumeName("ci/acme/other")
            try volumes.build("r-1", leaving: "one")
            scene.time.set(scene.time.value + 1000)
            try volumes.build("r-2", leaving: "two", from: [], to: other)
            #expect(volumes.lend("r-3").text == "one")
            fill("\(scene.state)/volumes")
            let fourth = volumes.lend("r-4", from: [other])
            #expect(fourth == Lending(found: RunnerVolume(state: .cold, reason: "no_room"), folder: nil))
            #expect(volumes.list().map(\.name) == [Self.name])
            #expect(volumes.keep(lentTo: "r-4", executedMS: 1).discard == .notAsked)
            unlink("\(scene.state)/volumes/all")
            sync()
        }
    }

    @Test("row 55: the disk fills while a volume is kept")
    func theDiskFillsWhileAVolumeIsKept() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let volumes = try scene.open()
            try volumes.build("r-1", leaving: "one")
            let second = volumes.lend("r-2")
            try second.write("two")
            fill(try #require(second.engineData))
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .diskFull)
            #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .diskFull)
            try volumes.takeBack(from: "r-2")
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents(kept: ["r-1"], lent: []))
            let kept = try readText("\(scene.state)/volumes/kept/r-1/engine/state/text")
            #expect(kept == "one")
        }
    }

    @Test("row 55: the storage has no room at each step of keep", arguments: ["size", "flush", "keep"])
    func noRoomAtAStep(_ step: String) async throws {
        for ground in VolumeGround.clones {
            try await VolumeScene.with(ground) { scene in
                try scene.open().build("r-1", leaving: "one")
                let failing = InterruptedStorage(try scene.storage()) { (point) throws(VolumeStorageError) in
                    if point == "\(step) begins" { throw VolumeStorageError("full", isDiskFull: true) }
                }
                do {
                    let volumes = try scene.open(storage: failing)
                    try volumes.lend("r-2").write("two")
                    #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .diskFull)
                    try volumes.takeBack(from: "r-2")
                    volumes.tidy()
                }
                #expect(try scene.contents() == VolumeContents(kept: ["r-1"], lent: []))
                #expect(try scene.open(store: copyOfStore(scene)).lend("r-3").text == "one")
            }
        }
    }

    @Test("row 55: the store cannot be written")
    func theStoreCannotBeWritten() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            try await withSmallDisk(at: "\(scene.state)/disk", kilobytes: 2048) { disk in
                let store = "\(disk)/store.sqlite"
                let volumes = try scene.open(store: store)
                try volumes.build("r-1", leaving: "one")
                let second = volumes.lend("r-2")
                try second.write("two")
                fill(disk)
                #expect(volumes.keep(lentTo: "r-2", executedMS: 1).discard == .diskFull)
                #expect(volumes.lend("r-3").reason == .noRoom)
                try volumes.takeBack(from: "r-2")
                volumes.tidy()
                #expect(try scene.contents() == VolumeContents(kept: ["r-1"], lent: []))
                #expect(scene.hasLogged("store_behind"))
                try FileManager.default.removeItem(atPath: "\(disk)/all")
                // The next change that can be written makes up for those that could not.
                #expect(volumes.lend("r-4").text == "one")
                for end in ["", "-wal"] {
                    try FileManager.default.copyItem(
                        atPath: "\(store)\(end)", toPath: "\(scene.state)/copy.sqlite\(end)")
                }
                #expect(try Store(path: "\(scene.state)/copy.sqlite").volumeBooks() == volumes.books)
            }
        }
    }

    @Test("row 57: links planted on a volume are not followed", arguments: VolumeGround.allCases)
    func plantedLinks(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let outside = "\(scene.state)/outside"
            try makeFolder(outside)
            try writeFile("\(outside)/file", "untouched")
            let volumes = try scene.open()
            let places = ["", "/contexts", "/engine", "/engine/link", "/engine/state/link"]
            for (number, place) in places.enumerated() {
                // At keep.
                let lending = volumes.lend("r-\(number)", from: [])
                let folder = try #require(lending.folder)
                try lending.write("text")
                try plant(at: folder + place, to: outside)
                #expect(!volumes.keep(lentTo: "r-\(number)", executedMS: 1).kept, "\(place)")
                try volumes.takeBack(from: "r-\(number)")
            }
            volumes.tidy()
            #expect(try scene.contents() == VolumeContents() && scene.trash().isEmpty)
            for (number, place) in places.enumerated() where place != "" {
                // In what is kept already.
                let runner = "k-\(number)"
                try volumes.build(runner, leaving: "text", from: [])
                let kept = "\(scene.state)/volumes/kept/\(runner)"
                if ground == .btrfs { try await runTool("/bin/btrfs", ["property", "set", kept, "ro", "false"]) }
                try plant(at: kept + place, to: outside)
                let lending = volumes.lend("l-\(number)")
                #expect(lending.reason == .damaged && lending.text == nil, "\(place)")
                #expect(volumes.list().isEmpty)
                try volumes.takeBack(from: "l-\(number)")
            }
            #expect(try folderEntries(outside) == ["file"])
            #expect(try readText("\(outside)/file") == "untouched")
        }
    }

    private func plant(at path: String, to target: String) throws {
        if try fileExists(path) {
            guard rename(path, "\(target).moved-\(UUID().uuidString)") == 0 || errno == EXDEV else {
                throw SystemError("rename \(path)")
            }
            if try fileExists(path) { try FileManager.default.removeItem(atPath: path) }
        }
        guard symlink(target, path) == 0 else { throw SystemError("symlink \(path)") }
    }

    /// Many runners at once, in an order that chance decides.
    @Test(arguments: VolumeGround.allCases) func atTheEndBooksAndStorageAgree(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            let names = (0..<3).map { volumeName("ci/acme/app-\($0)") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for thread in 0..<6 {
                    group.addTask {
                        try await onOwnThread {
                            Result { try randomLife(of: volumes, thread: thread, names: names) }
                        }.get()
                    }
                }
                try await group.waitForAll()
            }
            volumes.tidy()
            let books = volumes.books
            #expect(books.lendings.isEmpty)
            #expect(books.generations.values.allSatisfy { $0.state == .head })
            #expect(try scene.contents() == VolumeContents(kept: Set(books.generations.keys), lent: []))
            #expect(try Store(path: copyOfStore(scene)).volumeBooks() == books)
            for head in books.generations.values {
                #expect(volumes.lend("last-\(head.id)", from: [head.name], to: head.name).text == head.id)
            }
        }
    }
}

private func randomLife(of volumes: Volumes, thread: Int, names: [VolumeName]) throws {
    var random = SeededGenerator(seed: UInt64(thread))
    for number in 0..<25 {
        let runner = "r-\(thread)-\(number)"
        let name = random.pick(names)
        let lending = volumes.lend(runner, from: [name], to: name)
        if lending.folder != nil {
            try lending.write(runner)
            if !random.oneIn(4) { _ = volumes.keep(lentTo: runner, executedMS: Int.random(in: 0..<9, using: &random)) }
        }
        if random.oneIn(6) { _ = volumes.delete(random.pick(names)) }
        if random.oneIn(4) { volumes.tidy() }
        try volumes.takeBack(from: runner)
    }
}
