import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What is read of the machine: /proc and its tables.
@Suite struct MachineTests {
    @Test func statLines() throws {
        let line = "42 (a ) (b) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200"
        let status = try #require(ProcessStatus(statLine: line))
        #expect(status.identity == ProcessIdentity(pid: 42, started: 987_654))
        #expect(status.parent == 7)
        #expect(status.session == 40)
        #expect(!status.hasEnded)
        #expect(ProcessStatus(statLine: "") == nil)
        #expect(ProcessStatus(statLine: "42 (x) Z") == nil)
    }

    @Test func aPIDGivenOutAgainIsAnotherProcess() throws {
        let own = try #require(try ProcessStatus(of: getpid())).identity
        #expect(try own.isAlive())
        #expect(try !ProcessIdentity(pid: own.pid, started: own.started + 1).isAlive())
    }

    @Test func aRecordHoldsForItsBootAlone() {
        let line = "42 (sh) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200"
        let identity = ProcessIdentity(pid: 42, started: 987_654)
        let record = ProcessRecord("\(line) boot-1\n")
        #expect(record.identity(in: "boot-1") == identity)
        #expect(record.identity(in: "boot-2") == nil)
        // As an earlier version wrote it: of a boot that nobody knows.
        let old = ProcessRecord("\(line)\n")
        #expect(old.identity == identity && old.bootID == nil && old.identity(in: "boot-1") == nil)
        #expect(ProcessRecord("").identity == nil)
    }

    /// Only that there is no such file says that there is none.
    @Test func whatCannotBeReadIsNotAbsent() async throws {
        try await withTemporaryFolder { folder in
            #expect(try readIfThere(folder.appending(path: "none").path) == nil)
            #expect(try !fileExists(folder.appending(path: "none").path))
            #expect(throws: FileReadFailure.self) { try readIfThere(folder.path) }
            let loop = folder.appending(path: "loop").path
            try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
            #expect(throws: FileReadFailure.self) { try readIfThere(loop) }
            #expect(throws: SystemError.self) { try fileExists("\(loop)/x") }
        }
    }

    @Test(arguments: [ENOENT, ENODEV, EOPNOTSUPP, EMFILE]) func aGroupThatIsAboutToGo(_ code: Int32) throws {
        func read() throws -> String? {
            try Cgroups.ifThere { () throws -> String in throw FileReadFailure.system(SystemError("read", code)) }
        }
        if code == EMFILE {
            #expect(throws: FileReadFailure.self) { try read() }
        } else {
            #expect(try read() == nil)
        }
    }

    @Test func theGroupsOfAProcess() {
        let groups = "5:freezer:/a:b/c\n4:cpu,cpuacct:/d\n1:name=systemd:/\n0::/e\n"
        #expect(Cgroups.group(of: "freezer", in: groups) == "/a:b/c")
        #expect(Cgroups.group(of: "cpuacct", in: groups) == "/d")
        #expect(Cgroups.group(of: "memory", in: groups) == nil)
    }

    /// An immutable file is what rm cannot delete, and here every deletion outlasts its caller.
    @Test("row 78: a folder that cannot be deleted is not called gone, and goes when it can be", .immutableFiles)
    func aFolderThatCannotBeDeleted() async throws {
        try await withShortTemporaryFolder { state in
            let remover = try LocalRemover(state: state.path, bootID: "boot-1", deletionWait: .zero)
            let folder = RunnerFolder(state: state.path, runnerID: "r-1")
            for path in folder.folders { try makeFolder(path) }
            let file = "\(folder.trash)/work/kept"
            try writeFile("\(folder.work)/kept", "x")
            #expect(change("+i", of: "\(folder.work)/kept"))
            defer { _ = change("-i", of: file) }
            var told: [String] = []
            let isTold = await eventually {
                do {
                    #expect(try remover.destroy("r-1") == .deleting)
                    return false
                } catch {
                    told.append("\(error)")
                    return true
                }
            }
            #expect(isTold && told.first?.contains("kept") == true, "\(told)")
            #expect(try remover.existing() == ["r-1"])
            #expect(change("-i", of: file))
            #expect(await eventually { (try? remover.destroy("r-1")) == .complete })
            #expect(try remover.existing().isEmpty)
        }
    }

    @Test func mountsBelowAFolder() {
        let table = """
            21 1 254:0 / / rw - ext4 /dev/vda rw
            42 21 254:0 /x /s/r-1/e rw shared:1 - ext4 /dev/vda rw
            43 42 0:5 / /s/r-1/e/a\\040b\\134c rw - overlay overlay rw
            44 21 0:6 / /s/r-10/e rw - tmpfs none rw

            """
        let expected = [Mounts.Mount(id: "42", point: "/s/r-1/e"), Mounts.Mount(id: "43", point: "/s/r-1/e/a b\\c")]
        #expect(Mounts.below("/s/r-1", mountinfo: table) == expected)
        #expect(Mounts.below("/none", mountinfo: table).isEmpty)
    }

    @Test func cgroupsOfTheFirstVersion() throws {
        let table = """
            30 1 0:20 / /sys/fs/cgroup ro - tmpfs tmpfs ro
            31 30 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
            32 30 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
            33 30 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
            34 30 0:24 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
            """
        let cgroups = try #require(Cgroups(mountinfo: table))
        #expect(cgroups.version == .one)
        #expect(cgroups.memoryFolder(of: "r-1") == "/sys/fs/cgroup/memory/lian-orchestrator/r-1")
        #expect(
            cgroups.entries(of: "r-1")
                == ["memory", "cpu,cpuacct", "pids"].map {
                    "/sys/fs/cgroup/\($0)/lian-orchestrator/r-1/main/cgroup.procs"
                })
        #expect(cgroups.hierarchies.count == 4)
    }

    /// Engines make groups for their steps in hierarchies of which a runner's `main` is none, and in whatever order they
    /// are mounted.
    @Test func enginesAreKilledBeforeTheirSteps() throws {
        let table = """
            31 30 0:21 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
            32 30 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
            """
        let cgroups = try #require(Cgroups(mountinfo: table))
        let group = cgroups.path(of: "r-1")
        #expect(
            Cgroups.foldersToKill(group, in: cgroups.hierarchies)
                == ["\(group)/main", group].flatMap { ["/sys/fs/cgroup/cpuset\($0)", "/sys/fs/cgroup/memory\($0)"] })
    }

    @Test func cgroupsOfTheSecondVersion() throws {
        let cgroups = try #require(Cgroups(mountinfo: "31 30 0:21 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"))
        #expect(cgroups.version == .two)
        #expect(cgroups.memoryFolder(of: "r-1") == "/sys/fs/cgroup/lian-orchestrator/r-1")
        #expect(cgroups.entries(of: "r-1") == ["/sys/fs/cgroup/lian-orchestrator/r-1/main/cgroup.procs"])
        #expect(Cgroups(mountinfo: "21 1 254:0 / / rw - ext4 /dev/vda rw") == nil)
    }

    @Test func lockedAccounts() {
        let shadow = "root:*:1::\nann:!:1::\nbob:!$6$x:1::\neve:$6$x:1::\n"
        #expect(
            ["root", "ann", "bob", "eve", "nobody"].map { SSHServer.isLocked($0, shadow: shadow) } == [
                false, true, true, false, false,
            ])
    }

    @Test func sshdIsToldWhatARunnerMayDo() {
        let text = SSHServer.configuration(
            folder: RunnerFolder(state: "/s", runnerID: "r-1"), user: "ann", port: 4022,
            environment: ["PATH": "/a:/b", "HOME": "/s/runners/r-1/home"])
        for line in [
            "Port 4022", "ListenAddress 127.0.0.1", "AllowUsers ann", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "AllowTcpForwarding no", "HostKey /s/runners/r-1/host_key",
            "AuthorizedKeysFile /s/runners/r-1/authorized_keys",
            "SetEnv \"HOME=/s/runners/r-1/home\" \"PATH=/a:/b\"",
        ] {
            #expect(text.split(separator: "\n").contains(Substring(line)))
        }
    }

    @Test func theDaemonIsItsRunnersAlone() throws {
        let engine = PrivateDockerd(
            dockerd: "/d", runc: "/r", client: DockerClient(path: "/c", version: "20.10"))
        let folder = RunnerFolder(state: "/s", runnerID: "r-1")
        let command = try #require(engine.command(in: folder, cgroup: "/g/r-1", environment: ["PATH": "/p"]))
        #expect(command.executable == "/d")
        #expect(command.environment["PATH"] == "/s/runners/r-1/xbin:/p")
        for (flag, value) in [
            ("--data-root", "/s/runners/r-1/e"), ("--exec-root", "/s/runners/r-1/x"),
            ("--host", "unix:///s/runners/r-1/x.sock"), ("--cgroup-parent", "/g/r-1"),
        ] {
            let index = try #require(command.arguments.firstIndex(of: flag))
            #expect(command.arguments[index + 1] == value)
        }
        let free = try #require(engine.command(in: folder, cgroup: nil, environment: [:]))
        #expect(!free.arguments.contains("--cgroup-parent") && !free.arguments.contains("--storage-driver"))
    }

    @Test func onAVolumeLiesTheEnginesDataAlone() async throws {
        try await withShortTemporaryFolder { state in
            let folder = RunnerFolder(state: state.path, runnerID: "r-1", volume: "/v/1")
            for path in folder.folders { try makeFolder(path) }
            let docker = PrivateDockerd(
                dockerd: "/d", runc: "/r", client: DockerClient(path: "/c", version: "20.10"))
            let arguments = try #require(docker.command(in: folder, cgroup: nil, environment: [:])).arguments
            let buildkit = PrivateBuildkitd(buildkitd: "/d", buildctl: "/b", runc: "/r")
            try buildkit.prepare(folder, cgroup: nil)
            let settings = try readText(folder.engineConfiguration)
            #expect(
                (arguments + settings.split(separator: "\n").map(String.init)).filter { $0.contains("/v/1") }
                    == ["/v/1/engine", "root = \"/v/1/engine\""])
            #expect(arguments.suffix(2) == ["--storage-driver", "overlay2"])
            #expect(settings.contains("[worker.oci]") && settings.hasSuffix("snapshotter = \"overlayfs\"\n"))
        }
    }

    @Test(.needsRoot) func whereLayersCanBeLaidOverEachOther() async throws {
        try await withTemporaryFolder { folder in
            for path in ["lower", "upper", "work", "merged"] { try makeFolder(folder.appending(path: path).path) }
            #expect(Overlay.problem(in: folder.path) == nil)
            #expect(try folderEntries(folder.path).count == 4)
            // An overlay itself cannot be written to by another one.
            let merged = folder.appending(path: "merged").path
            let options = ["lower", "upper", "work"].map { "\($0)dir=\(folder.appending(path: $0).path)" }
            try #require(mount("overlay", merged, "overlay", 0, options.joined(separator: ",")) == 0)
            defer { umount2(merged, Int32(MNT_DETACH)) }
            #expect(Overlay.problem(in: merged)?.code == EINVAL)
            #expect(try folderEntries(merged).isEmpty)
        }
    }

    @Test func howAnEngineEnded() async throws {
        let children = ChildProcesses()
        let command = Command("/bin/sh", ["-c", "read -r line; exit 3"], environment: [:])
        let pipe = try FileDescriptor.Pipe()
        let waiting = children.add(try spawnChild(command, streams: StandardStreams(input: pipe.read.raw)))
        #expect(children.end(of: waiting, within: .zero) == nil && waiting.end == nil)
        try writeAll(pipe.write.raw, [10])
        #expect(children.end(of: waiting, within: .seconds(60)) == .exited(3))
        // Its pid may be another's from now on.
        #expect(!children.signal(SIGKILL, to: waiting))
        #expect(waiting.end == .exited(3))
        let killed = children.add(
            try spawnChild(Command("/bin/sleep", ["100000"], environment: [:]), streams: StandardStreams()))
        #expect(children.signal(SIGKILL, to: killed))
        #expect(children.end(of: killed, within: .seconds(60)) == .signalled(SIGKILL))
    }

    @Test func kindsOfEngines() {
        func kind(_ text: String) -> String? {
            versionIn(text).flatMap { EngineKind("docker", version: $0, layout: "overlay2") }?.name
        }
        #expect(kind("Docker version 20.10.24+dfsg1, build 5d6db84") == "docker 20.10")
        #expect(kind("buildkitd github.com/moby/buildkit v0.32.2 73ed682") == "docker 0.32")
        #expect(kind("Docker version 29.0, build 1") == "docker 29.0")
        for text in ["", "Docker version unknown", "buildkitd 7", "buildkitd v1.x"] { #expect(kind(text) == nil) }
    }

    @Test func buildkitdIsItsRunnersAlone() async throws {
        try await withShortTemporaryFolder { state in
            let engine = PrivateBuildkitd(buildkitd: "/d", buildctl: "/bin/echo", runc: "/bin/echo")
            let folder = RunnerFolder(state: state.path, runnerID: "r-1")
            for path in folder.folders { try makeFolder(path) }
            try engine.prepare(folder, cgroup: "/g/r-1")
            let settings = try readText(folder.engineConfiguration).split(separator: "\n")
            for line in [
                "root = \"\(folder.engineData)\"", "address = [\"unix://\(folder.engineSocket)\"]",
                "binary = \"\(folder.enginePrograms)/runc\"", "defaultCgroupParent = \"/g/r-1\"",
                "networkMode = \"host\"",
            ] {
                #expect(settings.contains(Substring(line)))
            }
            #expect(engine.address(in: folder) == "unix://\(folder.engineSocket)")

            func output(of program: String, _ arguments: [String]) async throws -> String {
                let command = Command(program, arguments, environment: ["PATH": "/usr/bin:/bin"])
                return try await run(command, deadline: .seconds(20)).outputText
            }
            // What runc remembers of a step lies in the runner's folder too.
            let step = try await output(of: "\(folder.enginePrograms)/runc", ["run", "1"])
            #expect(step == "--root \(folder.engineRun)/runc run 1\n")

            // buildctl waits for the engine's socket, and then is the machine's own; its version needs no engine.
            let program = "\(folder.programs)/buildctl"
            #expect(try await output(of: program, ["-v"]) == "-v\n")
            let early = Task { try await output(of: program, ["build", "a b"]) }
            _ = try listenOnUnixSocket(path: folder.engineSocket)
            #expect(try await early.value == "build a b\n")
        }
    }
}

/// Changes an attribute of a file by chattr; false where that cannot be.
private func change(_ flag: String, of path: String) -> Bool {
    let command = Command("/usr/bin/chattr", [flag, path], environment: [:])
    return (try? runBlocking(command, deadline: .seconds(30)))?.termination.isSuccess == true
}

extension Trait where Self == ConditionTrait {
    fileprivate static var immutableFiles: ConditionTrait {
        .enabled("it makes files immutable, which needs root and a file system that can: sudo scripts/test") {
            try await withShortTemporaryFolder { folder in
                let file = folder.appending(path: "file").path
                try writeFile(file, "")
                return change("+i", of: file) && change("-i", of: file)
            }
        }
    }
}
