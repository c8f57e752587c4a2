import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Which storage there is for volumes, and the file with btrfs in it.
@Suite(.needsFileSystems) struct VolumeStorageTests {
    private static let bytes = 256 << 20

    /// A state folder on the machine's own disk, whose volumes are unmounted at the end.
    private func withState(_ body: (VolumeScene) async throws -> Void) async throws {
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "state").path
            try makeFolder(state)
            let result: Result<Void, any Error>
            do { result = .success(try await body(VolumeScene(state: state, ground: .btrfs))) } catch {
                result = .failure(error)
            }
            while umount2("\(state)/volumes", Int32(MNT_DETACH)) == 0 {}
            try result.get()
        }
    }

    private func find(
        _ choice: VolumesChoice, _ scene: VolumeScene, path: String = systemPrograms, bytes: Int? = Self.bytes
    ) throws -> FoundVolumes? {
        try choice.find(state: scene.state, path: path, fileBytes: bytes, log: scene.log)
    }

    private func mountCount(_ scene: VolumeScene) throws -> Int {
        Mounts.below("\(scene.state)/volumes", mountinfo: try readText("/proc/self/mountinfo", limit: 64 << 20)).count
    }

    @Test func aFileIsMountedFoundAgainAndUnmounted() async throws {
        try await withState { scene in
            let found = try #require(try find(.auto, scene))
            #expect(found.storage.support == .clone && found.storage.name == "btrfs")
            #expect(found.reason.contains("a btrfs file of 0 GB") && found.reason.contains("mounted by loop"))
            let mounts = try readText("/proc/self/mountinfo", limit: 64 << 20).split(separator: "\n")
            let line = try #require(mounts.first { $0.contains("\(scene.state)/volumes ") })
            #expect(line.contains("nosuid,nodev,noatime"))
            #expect(try scene.contents() == VolumeContents())
            try found.storage.make(for: "r-1")
            // As after kill -9.
            let again = try #require(try find(.auto, scene))
            #expect(try again.storage.contents().lent == ["r-1"])
            #expect(try mountCount(scene) == 1)
            try again.storage.close()
            #expect(try mountCount(scene) == 0)
            let third = try #require(try find(.clone, scene))
            #expect(try third.storage.contents().lent == ["r-1"])
            #expect(scene.logLines.value.isEmpty)
        }
    }

    /// The second is no subvolume, whose files are looked at one by one.
    @Test(arguments: ["r-1", "r-2"]) func theSizeIsWhatTheFilesTake(_ runner: String) async throws {
        try await withState { scene in
            let storage = try #require(try find(.auto, scene)).storage
            let folder = storage.folder(lentTo: runner)
            if runner == "r-1" { try storage.make(for: runner) } else { try makeFolder(folder) }
            let script = """
                mkdir -p many/deep && seq 3000 | split -l 1 -a 4 - many/deep/small && head -c 9000000 /dev/urandom > large
                truncate -s 50M sparse && echo end >> sparse && ln large again && ln -s large link && mkfifo fifo
                head -c 5000 /dev/urandom > many/two && truncate -s 100 many/two && head -c 70000 /dev/zero > gone
                rm gone && sync -f . && du -s -x -B1 . | cut -f1
                """
            let result = try await run(
                Command("/bin/sh", ["-c", script], environment: ["PATH": systemPrograms], workingDirectory: folder),
                deadline: .seconds(60))
            let expected = try #require(Int(result.outputText.trimmingLineEnd()), "\(result.errorText)")
            #expect(expected > 9_000_000 + 3000 * 4096 / 2)
            #expect(try storage.size(lentTo: runner) == expected)
        }
    }

    @Test func theFileIsUnmountedWhenNobodyUsesIt() async throws {
        try await withState { scene in
            let found = try #require(try find(.auto, scene))
            let volumes = try scene.open(storage: found.storage)
            _ = volumes.lend("r-1")
            volumes.close()
            #expect(try mountCount(scene) == 1)
            try volumes.takeBack(from: "r-1")
            volumes.close()
            #expect(try mountCount(scene) == 0)
        }
    }

    @Test func aLargerSizeGrowsTheFile() async throws {
        try await withState { scene in
            let small = try #require(try find(.auto, scene)).storage
            try small.make(for: "r-1")
            let large = try #require(try find(.auto, scene, bytes: 2 * Self.bytes)).storage
            #expect(try large.room().size == 2 * Self.bytes)
            #expect(try large.contents().lent == ["r-1"])
            #expect(try #require(try find(.auto, scene, bytes: Self.bytes)).storage.room().size == 2 * Self.bytes)
        }
    }

    @Test(arguments: ["cut short", "no btrfs"]) func aFileThatCannotBeMountedIsMadeAnew(_ fault: String) async throws {
        try await withState { scene in
            let first = try #require(try find(.auto, scene)).storage
            try first.make(for: "r-1")
            try first.close()
            let file = "\(scene.state)/volumes.btrfs"
            if fault == "cut short" { truncate(file, Self.bytes / 2) } else { try writeFile(file, "none") }
            let second = try #require(try find(.auto, scene)).storage
            #expect(try second.contents() == VolumeContents())
            #expect(scene.hasLogged("volumes_lost"))
            #expect(try folderEntries(scene.state) == ["volumes", "volumes.btrfs"])
        }
    }

    /// A loop device cannot be had in many containers; here the mount fails as it does there.
    @Test func whatCannotBeMountedAtAllIsLeftAlone() async throws {
        try await withState { scene in
            try await withProgram("mount", "echo 'failed to setup loop device' >&2; exit 32") { path in
                let file = "\(scene.state)/volumes.btrfs"
                try writeFile(file, "volumes of before")
                let choice = try VolumesFile(at: file, mountPoint: "\(scene.state)/volumes", programs: path)
                let error = #expect(throws: ProviderError.self) {
                    try choice.mount(bytes: Self.bytes, log: scene.log)
                }
                #expect(error?.description.contains("failed to setup loop device") == true)
                #expect(try readText(file) == "volumes of before")
                #expect(try folderEntries(scene.state) == ["volumes", "volumes.btrfs"])
            }
        }
    }

    @Test func withoutTheProgramsVolumesAreHandedOver() async throws {
        try await withState { scene in
            let found = try #require(try find(.auto, scene, path: "/nowhere"))
            #expect(found.storage.support == .exclusive)
            #expect(found.reason.contains("not on PATH (install "), "\(found.reason)")
            let error = #expect(throws: ProviderError.self) { try find(.clone, scene, path: "/nowhere") }
            #expect(error?.description.contains("does not lie on btrfs") == true)
            #expect(error?.description.contains("reflink") == true)
            #expect(error?.description.contains("--volumes auto") == true)
        }
    }

    /// A start at which the file cannot be had keeps no volumes, and loses none.
    @Test func whatLiesInAFileOutlivesAStartWithoutIt() async throws {
        try await withState { scene in
            let first = try #require(try find(.auto, scene)).storage
            try first.make(for: "r-1")
            try first.keep(lentTo: "r-1", as: "r-1")
            try first.close()
            #expect(try find(.auto, scene, path: "/nowhere") == nil)
            #expect(scene.hasLogged("volumes_unusable"))
            try await withProgram("mount", "echo 'failed to setup loop device' >&2; exit 32") { path in
                let found = try find(.auto, scene, path: path)
                #expect(found == nil)
            }
            let again = try #require(try find(.auto, scene)).storage
            #expect(try again.contents().kept == ["r-1"] && !scene.hasLogged("volumes_lost"))
        }
    }

    @Test func choicesByHand() async throws {
        try await withState { scene in
            _ = try find(.auto, scene)
            #expect(try find(.none, scene) == nil)
            #expect(try mountCount(scene) == 0)
            #expect(try #require(try find(.exclusive, scene)).storage.name == "exclusive")
            #expect(try folderEntries(scene.state) == ["volumes"])
            #expect(scene.hasLogged("volumes_lost"))
        }
    }

    @Test func whatWasKeptWithoutBtrfsMakesWayForTheFile() async throws {
        try await withState { scene in
            let plain = try #require(try find(.exclusive, scene)).storage
            try plain.make(for: "r-1")
            // A mount would hide what the runner has.
            #expect(try #require(try find(.auto, scene)).storage.name == "exclusive")
            try plain.keep(lentTo: "r-1", as: "r-1")
            try await withProgram("mount", "exit 32") { path in
                let found = try #require(try find(.auto, scene, path: path))
                #expect(try found.storage.contents().kept == ["r-1"])
            }
            #expect(!scene.hasLogged("volumes_lost"))
            let file = try #require(try find(.auto, scene)).storage
            #expect(try file.name == "btrfs" && file.contents() == VolumeContents())
            #expect(scene.hasLogged("volumes_lost"))
            #expect(try folderEntries(scene.state) == ["volumes", "volumes.btrfs"])
        }
    }

    @Test(arguments: [("btrfs", "lies on btrfs", "btrfs"), ("xfs", "has them", "reflink")])
    func whatTheStateLiesOnIsUsed(_ kind: String, _ reason: String, _ name: String) async throws {
        try await withState { scene in
            try await withLoopDisk(kind, megabytes: 512, at: scene.state) {
                let found = try #require(try find(.auto, scene))
                #expect(found.storage.name == name && found.storage.support == .clone)
                #expect(found.reason.contains(reason), "\(found.reason)")
                #expect(try found.storage.contents() == VolumeContents())
            }
        }
    }

    /// Docker's btrfs driver makes a subvolume for each layer, and a build may make any.
    @Test func subvolumesOfTheEngineAreRemovedToo() async throws {
        try await VolumeScene.with(.btrfs) { scene in
            let storage = try scene.storage()
            try storage.make(for: "r-1")
            let engine = "\(storage.folder(lentTo: "r-1"))/engine"
            for name in ["a", "a/inner", "b c"] {
                try await runTool("/bin/btrfs", ["subvolume", "create", "\(engine)/\(name)"])
            }
            try await runTool("/bin/btrfs", ["property", "set", "\(engine)/b c", "ro", "true"])
            try storage.remove(lentTo: "r-1")
            try storage.emptyTrash()
            #expect(try storage.contents() == VolumeContents())
        }
    }

    @Test(arguments: VolumeGround.allCases) func whatIsMountedOnAVolumeStaysWhole(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let storage = try scene.storage()
            let outside = "\(scene.state)/outside"
            try makeFolder(outside)
            try writeFile("\(outside)/file", "untouched")
            try storage.make(for: "r-1")
            let place = "\(storage.folder(lentTo: "r-1"))/contexts"
            guard mount(outside, place, nil, UInt(MS_BIND), nil) == 0 else { throw SystemError("mount \(place)") }
            try storage.remove(lentTo: "r-1")
            try storage.emptyTrash()
            #expect(try readText("\(outside)/file") == "untouched")
            #expect(try storage.contents() == VolumeContents())
        }
    }

    /// What an engine leaves that a plain copy would change.
    @Test(arguments: VolumeGround.allCases) func theKindOfFilesIsKept(_ ground: VolumeGround) async throws {
        try await VolumeScene.with(ground) { scene in
            let volumes = try scene.open()
            let engine = try #require(volumes.lend("r-1").engineData)
            try makeFolder("\(engine)/a/b/c")
            try await runTool(
                "/bin/sh",
                [
                    "-ec",
                    """
                    cd "$0"
                    mknod a/b/whiteout c 0 0; echo text >a/b/file; ln a/b/file a/b/hard; ln -s /nowhere a/b/c/link
                    chown 1234:5678 a/b/file; chmod 4755 a/b/file; mkfifo a/b/fifo; truncate -s 1G a/b/sparse
                    python3 -c 'import os; os.setxattr("a/b/c", "trusted.overlay.opaque", b"y")'
                    """, engine,
                ])
            let before = try await kinds(engine)
            #expect(volumes.keep(lentTo: "r-1", executedMS: 1).kept)
            try volumes.takeBack(from: "r-1")
            let lending = volumes.lend("r-2")
            #expect(try await kinds(#require(lending.engineData)) == before)
            #expect(try #require(lending.found.bytes) < 64 << 20)
        }
    }

    private func kinds(_ folder: String) async throws -> String {
        try await runTool(
            "/bin/sh",
            [
                "-ec",
                """
                cd "$0"
                find a | sort | xargs stat -c '%n %F %a %u %g %h %s %t %T %Y'; readlink a/b/c/link
                python3 -c 'import os; print(os.getxattr("a/b/c", "trusted.overlay.opaque"))'
                """, folder,
            ])
    }

    /// A folder of programs in which one is a script.
    private func withProgram(_ name: String, _ script: String, _ body: (String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let program = folder.appending(path: name).path
            try writeFile(program, "#!/bin/sh\n\(script)\n", mode: 0o755)
            try await body("\(folder.path):\(systemPrograms)")
        }
    }
}
