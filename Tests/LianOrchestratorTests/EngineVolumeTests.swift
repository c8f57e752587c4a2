import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What an engine has learnt on a volume serves the next one, and does no harm there.
@Suite(.needsDockerEngine) struct EngineVolumeTests {
    private static let steps = "RUN echo made > /made; echo a step $(busybox echo ran)"

    /// BuildKit is in no Debian package, so it is tried where it is installed.
    private static let engines: [EngineChoice] = {
        let path = ProcessInfo.processInfo.environment["PATH"]
        let hasBuildKit = ["buildkitd", "buildctl"].allSatisfy { findExecutable($0, path: path) != nil }
        return hasBuildKit ? [.dockerd, .buildkit] : [.dockerd]
    }()

    @Test(arguments: engines) func theNextRunnerGoesOnWithTheSteps(_ engine: EngineChoice) async throws {
        try await withLocalRunners(engine: engine) { runners in
            let kind = try #require(runners.provider.engineKind)
            #expect(kind.name.hasPrefix(engine == .buildkit ? "buildkit " : "docker "))
            let volume = try runners.makeVolume("v")
            for (name, isWarm) in [("first", false), ("second", true)] {
                let runner = try await runners.create(name, on: OrderedVolume(folder: volume, isWarm: isWarm))
                try await runners.caller.prepare(runner, Self.steps)
                let result = try await runners.caller.build(runner, "")
                #expect(result.termination == .exited(0), "\(result.errorText)")
                #expect(
                    result.errorText.contains("CACHED") == isWarm && result.errorText.contains("a step ran") != isWarm)
                #expect(fileKind("\(runners.state)/runners/\(runners.id(name))/e") == nil)
                #expect(runners.provider.engineEndByItself(runners.id(name)) == nil)

                #expect(try await runners.stopEngine(name) == .clean)
                #expect(try await runners.stopEngine(name) == .clean)
                #expect(runners.provider.engineEndByItself(runners.id(name)) == nil)
                #expect(try runners.provider.isAlive(runners.id(name)))
                #expect(try await runners.caller.ssh(runner, "echo here").outputText == "here\n")
                try await runners.destroy(name)
            }
        }
    }

    @Test(
        "what an engine keeps from runner to runner stays below what a volume may have", arguments: engines, [1, 1000])
    func anEngineThatHasTooMuch(_ engine: EngineChoice, _ megabytes: Int) async throws {
        try await withLocalRunners(engine: engine) { runners in
            let volume = try runners.makeVolume("v")
            for (name, isWarm) in [("first", false), ("second", true)] {
                let runner = try await runners.create(name, on: OrderedVolume(folder: volume, isWarm: isWarm))
                try await runners.caller.prepare(
                    runner, "RUN busybox head -c 8000000 /dev/urandom > /noise; echo a step $(busybox echo ran)")
                let result = try await runners.caller.build(runner, "")
                #expect(result.termination == .exited(0), "\(result.errorText)")
                let hasRun = name == "first" || megabytes == 1
                #expect(result.errorText.contains("a step ran") == hasRun, "\(result.errorText)")
                #expect(try await runners.stopEngine(name, leaving: megabytes * 1_000_000) == .clean)
                try await runners.destroy(name)
            }
        }
    }

    /// How the engine of the first runner is ended, and whether the second one's volume is told to be warm.
    enum Ending: CaseIterable {
        case stopped, ended, endedAndWarm
    }

    /// BuildKit takes a file with the same size and time for the one that it has.
    @Test(
        "row 56: a file rewritten with its size and time is built anew where local sources were pruned",
        arguments: engines, Ending.allCases)
    func aFileThatLooksTheSame(_ engine: EngineChoice, _ ending: Ending) async throws {
        try await withLocalRunners(engine: engine) { runners in
            let volume = try runners.makeVolume("v")
            let contexts = "\(volume)/contexts"
            for (name, content) in [("first", "older"), ("second", "newer")] {
                let isWarm = name == "second" && ending == .endedAndWarm
                let runner = try await runners.create(name, on: OrderedVolume(folder: volume, isWarm: isWarm))
                try await runners.caller.prepare(runner, in: contexts, "COPY f /f\nRUN echo it is $(busybox cat /f)")
                // To Docker a context is the same if its client has the same configuration too.
                let before = """
                    export DOCKER_CONFIG=\(runners.folder.path)/docker && echo \(content) > c/f && touch -d @1000000 c/f
                    """
                let result = try await runners.caller.build(runner, in: contexts, "--no-cache", before: before)
                let built = name == "second" && ending == .ended ? "older" : content
                #expect(result.errorText.contains("it is \(built)\n"), "\(result.errorText)")
                if ending == .stopped {
                    #expect(try await runners.stopEngine(name) == .clean)
                } else {
                    let pid = try runners.enginePID(name)
                    kill(pid, SIGTERM)
                    #expect(await eventually { hasEnded(pid) })
                }
                try await runners.destroy(name)
            }
        }
    }

    private static let databases: [(EngineChoice, String)] = [
        (.dockerd, "buildkit/metadata_v2.db"), (.dockerd, "buildkit/cache.db"),
        (.dockerd, "buildkit/containerdmeta.db"),
        // containerd does not come up, for which Docker waits longer than the runner does.
        (.dockerd, "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"),
        (.buildkit, "runc-overlayfs/metadata_v2.db"),
        (.buildkit, "runc-overlayfs/containerdmeta.db"),
    ]

    @Test(
        "row 54: an engine that does not come up on its volume goes on with an empty one",
        arguments: databases.filter { engines.contains($0.0) })
    func aDamagedVolume(_ engine: EngineChoice, _ database: String) async throws {
        try await withLocalRunners(engine: engine) { runners in
            let volume = try runners.makeVolume("v")
            let first = try await runners.create("first", on: OrderedVolume(folder: volume, isWarm: false))
            try await runners.caller.prepare(first, Self.steps)
            #expect(try await runners.caller.build(first, "").termination == .exited(0))
            #expect(try await runners.stopEngine("first") == .clean)
            try await runners.destroy("first")
            try #require(fileKind("\(volume)/engine/\(database)") != nil)
            #expect(truncate("\(volume)/engine/\(database)", 8192) == 0)

            // Once with another volume, and once without.
            for replacement in [OrderedVolume(folder: try runners.makeVolume("w"), isWarm: false), nil] {
                let asked = Monitor(0)
                let runner = try await runners.create("again", on: OrderedVolume(folder: volume, isWarm: true)) { _ in
                    // Whoever is asked may delete the volume: nobody is on it any more.
                    #expect(processes(holding: volume).isEmpty)
                    #expect(((try? readText("/proc/self/mountinfo")) ?? volume).contains("\(volume)/") == false)
                    asked.update { $0 += 1 }
                    return replacement
                }
                #expect(asked.current == 1)
                try await runners.caller.prepare(runner, Self.steps)
                let result = try await runners.caller.build(runner, "")
                #expect(
                    result.termination == .exited(0) && result.errorText.contains("a step ran"), "\(result.errorText)")
                let data =
                    replacement.map { "\($0.folder)/engine" } ?? "\(runners.state)/runners/\(runners.id("again"))/e"
                #expect(fileKind("\(data)/\(database)") != nil)
                let end: EngineEnd = replacement == nil ? .unclear("its data lies on no volume") : .clean
                #expect(try await runners.stopEngine("again") == end)
                try await runners.destroy("again")
            }
        }
    }

    @Test func anEngineThatHangsOrWasKilledIsNotCalledClean() async throws {
        try await withLocalRunners { runners in
            let volume = try runners.makeVolume("v")
            let runner = try await runners.create("hangs", on: OrderedVolume(folder: volume, isWarm: true))
            let pid = try runners.enginePID("hangs")
            kill(pid, SIGSTOP)
            let start = ContinuousClock.now
            guard case .unclear(let reason) = try await runners.stopEngine("hangs") else {
                Issue.record("clean")
                return
            }
            #expect(reason.contains("could not be pruned: no answer within"), "\(reason)")
            // Longer than the limit: the machine may be busy. For ever it is not.
            #expect(ContinuousClock.now - start < .seconds(60))
            #expect(try runners.provider.isAlive(runners.id("hangs")))
            #expect(try await runners.caller.ssh(runner, "echo here").outputText == "here\n")

            _ = try await runners.create(
                "killed", on: OrderedVolume(folder: try runners.makeVolume("w"), isWarm: true))
            let killed = try runners.enginePID("killed")
            kill(killed, SIGKILL)
            #expect(await runners.isCollected(killed))
            #expect(runners.provider.engineEndByItself(runners.id("killed")) == nil)
            #expect(try await runners.stopEngine("killed") == .unclear("it had ended before (signal 9)"))

            _ = try await runners.create(
                "fails", on: OrderedVolume(folder: try runners.makeVolume("x"), isWarm: true))
            // A program in Go ends by this as it does by a fault of its own.
            let failing = try runners.enginePID("fails")
            kill(failing, SIGABRT)
            #expect(await runners.isCollected(failing))
            #expect(runners.provider.engineEndByItself(runners.id("fails")) == "exit status 2")
            #expect(try await runners.stopEngine("fails") == .unclear("it had ended before (exit status 2)"))

            // Nothing of it could be kept.
            _ = try await runners.create("without", on: nil)
            #expect(try await runners.stopEngine("without") == .unclear("its data lies on no volume"))

            // It is no child of the orchestrator that was started after it.
            _ = try await runners.create("kept", on: OrderedVolume(folder: try runners.makeVolume("y"), isWarm: false))
            let another = try await runners.providerOfAnotherStart()
            #expect(
                try another.stopEngine(runners.id("kept"), leaving: nil)
                    == .unclear("the runner has no engine that this orchestrator has started"))
        }
    }

    @Test("a snapshot of a volume serves as the volume does", .needsBtrfs)
    func aSnapshotServes() async throws {
        try await withLocalRunners { runners in
            let disk = runners.folder.appending(path: "b").path
            try await withLoopDisk("btrfs", at: disk) {
                let (volume, copy) = ("\(disk)/v", "\(disk)/w")
                try await runTool("/usr/bin/btrfs", ["subvolume", "create", volume])
                try makeFolder("\(volume)/engine")
                let first = try await runners.create("first", on: OrderedVolume(folder: volume, isWarm: false))
                try await runners.caller.prepare(first, Self.steps)
                #expect(try await runners.caller.build(first, "").termination == .exited(0))
                #expect(try await runners.stopEngine("first") == .clean)
                try await runTool("/usr/bin/btrfs", ["subvolume", "snapshot", volume, copy])

                let second = try await runners.create("second", on: OrderedVolume(folder: copy, isWarm: true))
                try await runners.caller.prepare(second, Self.steps + "\nRUN busybox cat /made")
                let result = try await runners.caller.build(second, "")
                #expect(result.errorText.contains("CACHED") && !result.errorText.contains("a step ran"))
                #expect(result.termination == .exited(0), "\(result.errorText)")
                for name in ["first", "second"] { try await runners.destroy(name) }
            }
        }
    }

    /// Setuid programs that a step runs, from a layer and from a cache mount, layers that take away what others hold, and
    /// device files. The place of the cache mount is there before: whether BuildKit takes away one that it has made itself
    /// depends on the file system (on btrfs an empty folder has no size).
    @Test("a volume without setuid programs and devices builds the same image", .needsBtrfs)
    func theSameImage() async throws {
        let dockerfile = """
            COPY root /
            RUN busybox chmod 4755 /bin/cat && echo hidden > /secret && busybox chmod 600 /secret
            RUN busybox mknod /zero c 1 5 && busybox mkdir /c /d && echo x > /d/a && echo y > /gone
            RUN busybox rm /gone && busybox rm -r /d && busybox mkdir /d && echo z > /d/b
            RUN --mount=type=cache,target=/c busybox cp -p /bin/cat /c/ && busybox chmod 4755 /c/cat
            USER 1000
            RUN echo read: $(/bin/cat /secret)
            RUN --mount=type=cache,target=/c echo read from the cache: $(/c/cat /secret)
            """
        let program = """
            mkdir -p c/root/bin c/root/etc && cp /bin/cat c/root/bin/ && : > c/root/etc/passwd &&
            for file in $(ldd /bin/cat | grep -o '/[^ ]*'); do
              mkdir -p "c/root${file%/*}" && cp -L "$file" "c/root$file" || exit
            done
            """
        // What is in each layer, without the times.
        let listing = """
            mkdir image && docker save 127.0.0.1:1/acme/app:1 | tar -x -C image && cd image &&
            for layer in $(grep -o '[0-9a-f]*/layer.tar' manifest.json); do
              tar --numeric-owner -tvf "$layer" | awk '{ $4 = $5 = ""; print }'; echo
            done
            """
        try await withLocalRunners { runners in
            let disk = runners.folder.appending(path: "b").path
            try await withLoopDisk("btrfs", at: disk) {
                var images: [String] = []
                for (name, volume) in [("on", disk), ("off", nil)] {
                    if let volume { try makeFolder("\(volume)/engine") }
                    let runner = try await runners.create(
                        name, on: volume.map { OrderedVolume(folder: $0, isWarm: false) })
                    try await runners.caller.prepare(runner, dockerfile)
                    let result = try await runners.caller.build(
                        runner, "--output type=image,name=127.0.0.1:1/acme/app:1,push=false", before: program)
                    for read in ["read: hidden\n", "read from the cache: hidden\n"] {
                        #expect(result.errorText.contains(read), "\(result.errorText)")
                    }
                    let image = try await runners.caller.ssh(runner, "cd \(runner.workDir) && \(listing)")
                    #expect(image.termination == .exited(0), "\(image.errorText)")
                    images.append(image.outputText)
                    try await runners.destroy(name)
                }
                for found in ["crw-r--r-- 0/0 1,5   zero", "-rwsr-xr-x", ".wh.gone"] {
                    #expect(images[0].contains(found), "\(images[0])")
                }
                #expect(images[0] == images[1])
            }
        }
    }
}

/// How an engine's end is judged, with engines that end as they are told to.
@Suite(.needsRoot) struct EngineEndTests {
    @Test(arguments: [
        ("exit 0", EngineEnd.clean), ("exit 1", .clean), ("exit 2", .unclear("it did not end cleanly (exit status 2)")),
        ("trap - TERM; kill -TERM $$", .unclear("it did not end cleanly (signal 15)")),
        (":", .unclear("it did not end within 10.0 seconds of SIGTERM")),
    ])
    func anEngineIsToldToEnd(_ onSignal: String, _ expected: EngineEnd) async throws {
        try await withLocalRunners(
            engine: .buildkit,
            path: { folder in
                let isReady = folder.appending(path: "ready").path
                let engine = """
                    [ "$1" != --version ] || { echo buildkitd test v0.32.2 0; exit; }
                    trap '\(onSignal)' TERM
                    : > \(isReady)
                    while :; do sleep 0.01; done
                    """
                // A prune is answered once signals are caught.
                let pruning = "until [ -e \(isReady) ]; do sleep 0.01; done; echo \"$@\" > \(folder.path)/said"
                for (name, script) in [("buildkitd", engine), ("buildctl", pruning), ("runc", "exit 0")] {
                    try writeScript(script, to: folder.appending(path: name))
                }
                return folder.path
            },
            { runners in
                #expect(runners.provider.engineKind == EngineKind(name: "buildkit 0.32", layout: "overlayfs"))
                let volume = OrderedVolume(folder: try runners.makeVolume("v"), isWarm: false)
                let runner = try await runners.create("1", on: volume)
                #expect(try await runners.stopEngine("1") == expected)
                #expect(try await runners.caller.ssh(runner, "echo here").outputText == "here\n")
                let said = try readText(runners.folder.appending(path: "said").path)
                #expect(said.hasSuffix(" prune --all --filter type==source.local\n"), "\(said)")
            })
    }
}
