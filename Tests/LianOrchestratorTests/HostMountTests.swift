import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What a runner mounts, and what of the machine's own is mounted with it. Orchestrators have a mount namespace of their
/// own here, in which all is shared.
@Suite(.needsRoot) struct HostMountTests {
    /// What is mounted for the orchestrator, but for what other tests' namespaces left in its own when that was made: it
    /// goes when they remove their folders.
    private func mounts(_ orchestrator: LianTestSupport.Orchestrator, _ caller: Caller) throws -> Set<String> {
        let pid = try #require(orchestrator.pid)
        let temporary = FileManager.default.temporaryDirectory.path
        let own = [orchestrator.folder.path, caller.folder.path]
        return try OwnMounts.mounts(of: pid).filter { mount in
            !mount.contains(" \(temporary)") || own.contains { mount.contains(" \($0)") }
        }
    }

    /// All of these are mounted, and of what lies below the folder nothing else. A table that changes while it is read can
    /// come without some of its lines: what is missing is looked for again.
    private func expect(
        _ mounted: Set<String>, of orchestrator: LianTestSupport.Orchestrator, _ caller: Caller, below folder: String
    ) async throws {
        var found: Set<String> = []
        let areThere = try await eventually {
            found = try mounts(orchestrator, caller)
            return mounted.isSubset(of: found)
        }
        #expect(areThere, "\(mounted.subtracting(found))")
        let below = found.filter { $0.contains(folder) }
        #expect(below == mounted.filter { $0.contains(folder) })
    }

    private func withRunner(_ body: (LianTestSupport.Orchestrator, Caller, ReadyRunner) async throws -> Void)
        async throws
    {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(launcher: OwnMounts.launcher()) { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                try await body(orchestrator, caller, runner)
            }
        }
    }

    @Test("row 74: what a session mounts is seen by no other, and its end takes nothing of the host's along")
    func mountsOfASession() async throws {
        try await withRunner { orchestrator, caller, runner in
            let before = try mounts(orchestrator, caller)
            let result = try await caller.ssh(
                runner,
                """
                set -e; cd \(runner.workDir); mkdir dev sys bound
                mount --rbind /dev dev; mount --rbind /sys sys; mount --rbind \(caller.folder.path) bound
                mkdir bound/m; mount -t tmpfs none bound/m; mount -t tmpfs none dev/pts
                """)
            #expect(result.termination == .exited(0), "\(result.errorText)")
            // Another session of the runner's finds them.
            let seen = try await caller.ssh(runner, "stat -f -c %T \(runner.workDir)/bound/m")
            #expect(seen.outputText == "tmpfs\n")
            try await expect(before, of: orchestrator, caller, below: runner.workDir)
            #expect(try await orchestrator.destroy(runner.id).status == 200)
            let gone = before.filter { $0.contains(runner.id) }
            try await expect(before.subtracting(gone), of: orchestrator, caller, below: runner.id)
            #expect(FileManager.default.fileExists(atPath: caller.folder.appending(path: "m").path))
        }
    }

    @Test("row 74: file systems of the host's that are mounted below a runner's folder outlive the runner")
    func mountsOfTheHost() async throws {
        try await withRunner { orchestrator, caller, runner in
            let before = try mounts(orchestrator, caller).filter { !$0.contains(runner.id) }
            try await OwnMounts.run(
                """
                cd \(runner.workDir); mkdir dev sys bound; : > file; : > \(caller.folder.path)/kept
                mount --rbind /dev dev; mount --rbind /sys sys; mount --rbind \(caller.folder.path) bound
                mount --bind bound/kept file
                """, besides: #require(orchestrator.pid))
            #expect(try await orchestrator.destroy(runner.id).status == 200)
            try await expect(before, of: orchestrator, caller, below: runner.id)
            #expect(FileManager.default.fileExists(atPath: caller.folder.appending(path: "kept").path))
            #expect(try await orchestrator.remainsInTheEnd().isEmpty)
        }
    }

    /// What is mounted below the folder, told by the names of the file systems.
    private func sources(below folder: URL) throws -> [String] {
        let table = try readText("/proc/self/mountinfo", limit: 1 << 20)
        return table.split(separator: "\n").filter { $0.contains(" \(folder.path)/") }.compactMap {
            $0.split(separator: " ").dropLast().last.map(String.init)
        }
    }

    private func mountMemory(_ name: String, on point: String) throws {
        guard mount(name, point, "tmpfs", 0, "size=64k") == 0 else { throw SystemError("mount \(point)") }
    }

    @Test("row 74: a path that leads to another mount by now takes neither away")
    func aPathThatWasChanged() async throws {
        try await withShortTemporaryFolder { folder in
            defer { try? Mounts.detachAll(below: folder.path) }
            for name in ["a", "b"] {
                try makeFolder("\(folder.path)/\(name)/m")
                try mountMemory("lian-\(name)", on: "\(folder.path)/\(name)/m")
            }
            let table = try readText("/proc/self/mountinfo", limit: 1 << 20)
            let meant = try #require(Mounts.below("\(folder.path)/a", mountinfo: table).first)
            rename("\(folder.path)/a", "\(folder.path)/moved")
            #expect(try !Mounts.detach(meant))
            symlink("b", "\(folder.path)/a")
            #expect(try !Mounts.detach(meant))
            unlink("\(folder.path)/a")
            try makeFolder("\(folder.path)/a")
            symlink("../b/m", "\(folder.path)/a/m")
            #expect(try !Mounts.detach(meant))
            #expect(try sources(below: folder) == ["lian-a", "lian-b"])
            try Mounts.detachAll(below: folder.path)
            #expect(try sources(below: folder).isEmpty)
        }
    }

    @Test func mountsThatLieOverEachOtherAreAllDetached() async throws {
        try await withShortTemporaryFolder { folder in
            defer { try? Mounts.detachAll(below: folder.path) }
            let point = "\(folder.path)/a/m"
            for _ in 0..<40 {
                try makeFolder(point)
                try mountMemory("lian", on: point)
                try mountMemory("lian", on: "\(folder.path)/a")
            }
            try Mounts.detachAll(below: folder.path)
            #expect(try sources(below: folder).isEmpty)
        }
    }
}
