import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 64: what a build brings to its caller. What was there before is whole, and nothing lies beside it.
    @Suite struct BroughtTests {
        /// Makes four megabytes that nothing makes smaller: an output's file, an image's, or one in a cache.
        private static let makesFile = """
            for word do case $word in
              type=tar,dest=* | type=docker,dest=*) out=${word#*dest=} out=${out%%,*} ;;
              type=local,dest=*) out=${word#*dest=} out=${out%%,*}; mkdir -p "$out"; out=$out/blob ;;
            esac; done
            dd if=/dev/urandom "of=$out" bs=65536 count=64 2>/dev/null
            cp "$out" "${context%/*}/made"
            succeed
            """

        private static let makesFolder = """
            for word do case $word in type=local,dest=*) out=${word#*dest=} ;; esac; done
            mkdir -p "$out/sub" && echo new >"$out/first" && echo new >"$out/sub/second" && ln -s /etc "$out/link"
            succeed
            """

        /// A place with something in it.
        private func place(_ scene: FaultScene) throws -> URL {
            let folder = scene.folder.appending(path: "place")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try "old".write(to: folder.appending(path: "out.tar"), atomically: true, encoding: .utf8)
            return folder
        }

        private func names(_ folder: URL) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        }

        private func expectUntouched(_ folder: URL) throws {
            #expect(try names(folder) == ["out.tar"])
            #expect(try String(contentsOf: folder.appending(path: "out.tar"), encoding: .utf8) == "old")
        }

        private static let tar = ["--output", "type=tar,dest=place/out.tar"]

        /// A build on a slow line with what it brings on its way to the place: beside what was there lies a draft.
        private func bringing(
            _ flags: [String], _ scene: FaultScene, _ proxy: FaultProxy, bytesPerSecond: Int = 256 << 10
        ) async throws -> (build: RunningBuild, place: URL) {
            let folder = try place(scene)
            proxy.setLimit(bytesPerSecond)
            let running = try scene.start(flags)
            try #require(await eventually { (try? names(folder).count) == 2 }, "\(running.errorText)")
            return (running, folder)
        }

        @Test("row 64: an output is cut off half-way, and goes on over the next connection")
        func cutOff() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                try runner.setEngine(Self.makesFile)
                let folder = try place(scene)
                proxy.reset(afterBytesToClient: 2 << 20)
                let build = try await scene.build(Self.tar)
                try #require(build.status == 0, "\(build.story)")
                #expect(proxy.connections > 1 && build.errorText.contains("goes on over a new one"))
                #expect(build["outputs"][0]?["bytes"] == .integer(4 << 20))
                #expect(try names(folder) == ["out.tar"])
                let made = FileManager.default.contents(atPath: "\(runner.workDir)/made")
                #expect(
                    made != nil && FileManager.default.contents(atPath: folder.appending(path: "out.tar").path) == made)
            }
        }

        @Test("row 64: an output is cut off half-way, for good") func lost() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                scene.allow { $0.endsWithItsMachine = true }
                try runner.setEngine("\(Self.makesFile)\ntouch \"${context%/*}/done\"")
                let (running, folder) = try await bringing(Self.tar, scene, proxy)
                proxy.refuse()
                proxy.reset()
                let build = try await scene.finish(running)
                #expect(build.status == 4 && build.errorCode == "connection_lost", "\(build.story)")
                #expect(build["outputs"] == .null)
                try expectUntouched(folder)
            }
        }

        @Test("row 64: kill -9 while an output is brought leaves one dotted folder, which the next run removes")
        func killed() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                scene.allow {
                    $0.callerIsKilled = true
                    $0.leftToTheirLease = 1
                    $0.endsWithItsMachine = true
                }
                try runner.setEngine(Self.makesFile)
                let (running, folder) = try await bringing(Self.tar, scene, proxy)
                running.kill()
                let left = try names(folder)
                #expect(left.count == 2 && left[0].hasPrefix(".lian-build-output-") && left[1] == "out.tar")
                #expect(try String(contentsOf: folder.appending(path: "out.tar"), encoding: .utf8) == "old")
                // Its rsync, which wrote there, ends with the connection.
                #expect(await eventually { processes(holding: folder.path).isEmpty })
                // The next runner is another one, on which nothing of this run lies.
                try FileManager.default.removeItem(atPath: "\(runner.workDir)/run-app")
                proxy.setLimit(nil)
                let build = try await scene.build(Self.tar)
                try #require(build.status == 0, "\(build.story)")
                #expect(try names(folder) == ["out.tar"])
            }
        }

        @Test("row 64: SIGINT while an output is brought") func interrupted() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                try runner.setEngine(Self.makesFile)
                let (running, folder) = try await bringing(Self.tar, scene, proxy)
                running.signal(SIGINT)
                let build = try await scene.finish(running)
                #expect(build.status == 130 && build.errorCode == "cancelled", "\(build.story)")
                try expectUntouched(folder)
            }
        }

        @Test("row 64: ended twice while an output is brought") func endedTwice() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                try runner.setEngine(Self.makesFile)
                let (running, folder) = try await bringing(Self.tar, scene, proxy)
                running.signal(SIGINT)
                running.signal(SIGTERM)
                let build = try await scene.finish(running)
                #expect([130, 143].contains(build.status) && build.errorCode == "cancelled", "\(build.story)")
                try expectUntouched(folder)
            }
        }

        @Test("row 64: the time budget runs out while an output is brought") func outOfTime() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                try runner.setEngine(Self.makesFile)
                let folder = try place(scene)
                // Ten minutes' worth.
                proxy.setLimit(8 << 10)
                let build = try await scene.build(Self.tar + ["--time-budget", "1"])
                #expect(build.status == 6 && build.errorCode == "time_budget_exceeded", "\(build.story)")
                #expect(build["outputs"] == .null)
                try expectUntouched(folder)
            }
        }

        /// Each loss is waited for anew, as long as something comes between them.
        @Test("row 64: an output is cut off again, more than a minute after the first time") func cutOffAgain()
            async throws
        {
            try await withRunner(waiting: true) { scene, runner, proxy in
                try runner.setEngine(Self.makesFile)
                let (running, folder) = try await bringing(Self.tar, scene, proxy, bytesPerSecond: 16 << 10)
                proxy.reset()
                try await running.says("goes on over a new one")
                // What is tried for a minute is over then.
                try await Task.sleep(for: .seconds(61))
                try #require((try? names(folder).count) == 2, "\(running.errorText)")
                proxy.reset()
                proxy.setLimit(nil)
                let build = try await scene.finish(running)
                try #require(build.status == 0, "\(build.story)")
                #expect(try names(folder) == ["out.tar"])
            }
        }

        @Test("row 64: a cache is cut off for good on its way to the caller: a warning, for the image is there")
        func cacheLost() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                scene.allow { $0.endsWithItsMachine = true }
                try runner.setEngine("\(Self.makesFile)\ntouch \"${context%/*}/done\"")
                let (running, folder) = try await bringing(["--cache-to", "type=local,dest=place"], scene, proxy)
                proxy.refuse()
                proxy.reset()
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.warningCodes.contains("cache_not_written"), "\(build.story)")
                try expectUntouched(folder)
            }
        }

        @Test("row 64: nothing on this machine takes an image: before any spawn; where Docker is silent, Podman does")
        func nothingTakesTheImage() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    """
                    for word do case $word in type=docker,dest=*) out=${word#*dest=} ;; esac; done
                    echo image >"${out%%,*}"
                    succeed
                    """)
                let programs = scene.folder.appending(path: "programs")
                try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(
                    atPath: programs.appending(path: "rsync").path, withDestinationPath: "/usr/bin/rsync")
                let environment = ["PATH": programs.path]
                let none = try await scene.build(["--load"], environment: environment)
                #expect(none.status == 2 && none.errorCode == "output_unusable", "\(none.story)")
                #expect(none.message.contains("neither docker nor podman"), "\(none.story)")
                try writeScript("echo 'no daemon' >&2; exit 1", to: programs.appending(path: "docker"))
                let silent = try await scene.build(["--load"], environment: environment)
                #expect(silent.message.contains("docker does not answer: no daemon"), "\(silent.story)")
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
                let taken = scene.folder.appending(path: "taken").path
                try writeScript(
                    """
                    [ $1 != version ] || exit 0
                    /bin/cat "$3" >'\(taken)'
                    echo 'Loaded image: \(scene.image)'
                    """,
                    to: programs.appending(path: "podman"))
                let loaded = try await scene.build(["--load"], environment: environment)
                try #require(loaded.status == 0, "\(loaded.story)")
                #expect(loaded["outputs"][0]?["dest"] == "podman" && loaded["outputs"][0]?["bytes"] == 6)
                #expect(try readText(taken) == "image\n")
            }
        }

        /// The environment with a `docker` that says these lines of whatever it loads.
        private func docker(_ scene: FaultScene, says lines: String) throws -> [String: String] {
            let programs = scene.folder.appending(path: "programs")
            try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
            try writeScript(
                "[ $1 = version ] || printf '%s\\n' \(shellQuoted(lines))", to: programs.appending(path: "docker"))
            return ["PATH": "\(programs.path):/usr/bin:/bin"]
        }

        @Test("row 64: a runner's image comes with a name that was not asked for") func strangeName() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.makesFile)
                let strange = try docker(scene, says: "Loaded image: \(scene.image)\nLoaded image: debian:12")
                let build = try await scene.build(["--load"], environment: strange)
                #expect(build.status == 1 && build.errorCode == "output_failed", "\(build.story)")
                #expect(build.message.hasSuffix("docker has taken debian:12"), "\(build.story)")
                let asked = try docker(scene, says: "Loaded image ID: sha256:1\nLoaded image: \(scene.image)")
                let loaded = try await scene.build(["--load"], environment: asked)
                #expect(loaded.status == 0, "\(loaded.story)")
            }
        }

        @Test("row 64: kill -9 while an image is brought to be loaded: the next run removes what was there of it")
        func killedBeforeLoading() async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                scene.allow {
                    $0.callerIsKilled = true
                    $0.leftToTheirLease = 1
                    $0.endsWithItsMachine = true
                }
                try runner.setEngine(Self.makesFile)
                let environment = try docker(scene, says: "Loaded image: \(scene.image)")
                let temporary = scene.folder.appending(path: "tmp")
                let drafts = { try names(temporary).filter { $0.hasPrefix(".lian-build-output-") } }
                proxy.setLimit(256 << 10)
                let running = try scene.start(["--load"], environment: environment)
                try #require(await eventually { (try? drafts().count) == 1 }, "\(running.errorText)")
                running.kill()
                #expect(await eventually { processes(holding: temporary.path).isEmpty })
                try FileManager.default.removeItem(atPath: "\(runner.workDir)/run-app")
                proxy.setLimit(nil)
                let build = try await scene.build(["--load"], environment: environment)
                try #require(build.status == 0, "\(build.story)")
                #expect(try drafts() == [])
            }
        }

        @Test("row 64: an output's place that is a link, a file or below one is told before any spawn")
        func unusablePlaces() async throws {
            try await withScene { scene in
                let folder = try place(scene)
                try FileManager.default.createSymbolicLink(
                    atPath: folder.appending(path: "link").path, withDestinationPath: "/etc")
                let cases = [
                    ("place/link", "is a link", "/etc"), ("place/out.tar", "is not a folder", "Name another place"),
                    ("place/out.tar/in", "out.tar is not a folder", "Name another place"),
                    ("type=tar,dest=place", "is a folder", "place/"),
                    ("type=oci,dest=place/link", "is a link", "/etc"),
                    ("type=tar,dest=/dev/null", "regular file", "Name another place"),
                ]
                for (output, message, hint) in cases {
                    let build = try await scene.build(["--output", output])
                    #expect(build.status == 2 && build.errorCode == "output_unusable", "\(output): \(build.story)")
                    #expect(build.message.contains(message) && build.hint.contains(hint), "\(build.story)")
                }
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
                #expect(try names(folder) == ["link", "out.tar"])
            }
        }

        @Test("row 64: the disk of an output's place is full", .needsRoot) func diskFull() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.makesFile)
                try await withSmallDisk(at: scene.folder.appending(path: "small").path) { disk in
                    try writeFile("\(disk)/out.tar", "old")
                    let build = try await scene.build(["--output", "type=tar,dest=small/out.tar"])
                    #expect(build.status == 1 && build.errorCode == "output_failed", "\(build.story)")
                    #expect(build.message.contains("this machine's disk is full"), "\(build.story)")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: disk) == ["out.tar"])
                    #expect(try readText("\(disk)/out.tar") == "old")
                }
            }
        }

        @Test("row 64: a link in the place of one of the output's folders is not followed, and nothing is moved")
        func linkInTheWay() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.makesFolder)
                let folder = try place(scene)
                let victim = scene.folder.appending(path: "victim")
                try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(
                    atPath: folder.appending(path: "sub").path, withDestinationPath: victim.path)
                let build = try await scene.build(["--output", "place"])
                #expect(build.status == 1 && build.errorCode == "output_failed", "\(build.story)")
                #expect(build.message.contains("sub is a link"), "\(build.story)")
                #expect(try names(victim) == [] && names(folder) == ["out.tar", "sub"])
            }
        }

        /// Deeper than the caller may have descriptors, and with a name that is no text.
        @Test("row 64: an output of folders without end") func deep() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    """
                    for word do case $word in type=local,dest=*) out=${word#*dest=} ;; esac; done
                    mkdir -p "$out" && cd "$out" && name=$(printf 'a\\nb\\377') && echo odd >"$name" || exit
                    for level in $(seq 300); do mkdir d && cd d || exit; done
                    echo bottom >file
                    succeed
                    """)
                let arguments = [
                    Project.executable("lian-build"), "build", "--workspace", scene.workspace, "--context",
                    try scene.context(), "--output", "deep",
                ]
                let running = try scene.start(
                    Command(
                        "/bin/sh",
                        ["-c", "ulimit -Sn 256 && exec \(arguments.map(shellQuoted).joined(separator: " "))"],
                        environment: scene.environment(), workingDirectory: scene.folder.path))
                let build = try await scene.finish(running)
                try #require(build.status == 0, "\(build.story)")
                let bottom = "deep/\(String(repeating: "d/", count: 300))file"
                #expect(try readText(scene.folder.appending(path: bottom).path) == "bottom\n")
                #expect(build["outputs"][0]?["bytes"] == 11)
                let deep = try OpenFolder(scene.folder.appending(path: "deep").path)
                #expect(try deep.status(Array("a\nb".utf8CString.dropLast()) + [-1, 0]) != nil)
            }
        }

        @Test("row 64: what the runner's rsync says of an output holds a secret") func secretInWords() async throws {
            try await withRunner { scene, runner, _ in
                // What a runner was given it can say again.
                try runner.setEngine("\(Self.makesFile)\ncp secrets/secret.planted ../kept")
                try runner.setProgram(
                    "rsync",
                    """
                    case " $* " in *" --sender "*) echo "it was $(cat ../kept)" >&2; rm ../kept; exit 3 ;; esac
                    exec /usr/bin/rsync "$@"
                    """)
                let build = try await scene.build(["--output", "type=tar,dest=out.tar"])
                #expect(build.status == 1 && build.errorCode == "output_failed", "\(build.story)")
                #expect(build.logTail.contains { $0.hasPrefix("it was ") }, "\(build.story)")
            }
        }

        @Test("row 64: a runner that sends what leads out of the place writes nothing outside")
        func hostile() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.makesFolder)
                let victim = scene.folder.appending(path: "victim")
                try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
                // First a link, then a file below it, as a true rsync never sends them: two transfers in one name.
                try runner.setProgram(
                    "rsync",
                    """
                    case " $* " in
                      *" --sender "*) ln -s '\(victim.path)' output-0/away; mkdir -p other/away; echo bad >other/away/file
                        exec /usr/bin/rsync "$@" other/ ;;
                    esac
                    exec /usr/bin/rsync "$@"
                    """)
                let build = try await scene.build(["--output", "fresh"])
                #expect(try names(victim) == [])
                #expect(build.status == 0 || build.errorCode == "output_failed", "\(build.story)")
            }
        }
    }
}
