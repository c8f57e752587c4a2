import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Start, stop, and what lies between: the program as its operator meets it.
@Suite struct LifecycleTests {
    private func orchestrate(_ arguments: [String], _ environment: [String: String] = [:]) async throws
        -> SubprocessResult
    {
        try await run(
            Command(
                Project.executable("lian-orchestrator"), arguments,
                environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"].merging(environment) { $1 }),
            deadline: .seconds(30))
    }

    @Test func helpVersionAndMistakes() async throws {
        let help = try await orchestrate(["--help"])
        #expect(help.termination == .exited(0))
        #expect(help.outputText.hasPrefix("Serves build runners"))
        let version = try await orchestrate(["--version"])
        #expect(version.outputText == "lian-orchestrator \(lianBuildVersion)\n")
        let mistake = try await orchestrate(["--lisen", "x"])
        #expect(mistake.termination == .exited(2))
        #expect(mistake.outputText.isEmpty)
        #expect(
            mistake.errorText == """
                error: --lisen is not a flag of lian-orchestrator; did you mean --listen?
                hint: lian-orchestrator --help lists every flag.

                """)
    }

    @Test func whatItNeedsIsNamed() async throws {
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "s").path
            let homeless = try await orchestrate(["--log", "text"])
            #expect(homeless.termination == .exited(1))
            #expect(homeless.errorText.contains("name a folder by --state"))

            let empty = try await orchestrate(["--state", state, "--engine", "buildkit", "--log", "text"])
            #expect(empty.termination == .exited(1))
            let names =
                geteuid() == 0 ? ["buildkitd and buildctl are not both on PATH (install BuildKit)"] : ["needs root"]
            for name in names { #expect(empty.errorText.contains(name)) }

            let long = folder.path + "/" + String(repeating: "x", count: 100)
            if geteuid() == 0 {
                #expect(try await orchestrate(["--state", long]).errorText.contains("path may have 48 characters"))
            }
            let odd = try await orchestrate(["--state", folder.path + "/a b"])
            #expect(odd.errorText.contains("may contain letters, digits"))
            let token = try await orchestrate(["--state", state, "--token-file", "/nonexistent"])
            #expect(token.errorText.contains("the token file /nonexistent cannot be read"))
            let blank = try await orchestrate(["--state", state], ["ORCHESTRATOR_TOKEN": ""])
            #expect(blank.errorText.contains("the token of ORCHESTRATOR_TOKEN cannot be used: it is empty"))
            // A start that fails late takes back what it mounted.
            #expect(try readText("/proc/self/mountinfo", limit: 64 << 20).contains("\(state)/") == false)
        }
    }

    @Test func aTokenIsMadeOnceAndOneStateHasOneOwner() async throws {
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "s").path
            let home = ["XDG_STATE_HOME": folder.path]
            var tokens: Set<String> = []
            for _ in 0..<2 {
                let process = try RunningProcess(
                    Command(
                        Project.executable("lian-orchestrator"), ["--listen", "127.0.0.1:0", "--log", "json"],
                        environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"].merging(home) { $1 }),
                    outputFile: folder.appending(path: "log"))
                defer { process.stop() }
                let ownState = "\(folder.path)/lian-orchestrator"
                #expect(await eventually { FileManager.default.fileExists(atPath: "\(ownState)/listen") })
                var status = stat()
                #expect(stat("\(ownState)/token", &status) == 0 && status.st_mode & 0o777 == 0o600)
                tokens.insert(try String(contentsOfFile: "\(ownState)/token", encoding: .utf8))
                let second = try await orchestrate(["--sweep"], home)
                #expect(second.termination == .exited(1))
                #expect(second.errorText.contains("another lian-orchestrator is at work on"))
                process.signal(SIGTERM)
                #expect(await process.ended() == .exited(0))
                #expect(!FileManager.default.fileExists(atPath: "\(ownState)/listen"))
                #expect(!process.output.contains(tokens.first?.dropLast() ?? "?"))
            }
            #expect(tokens.count == 1)
            #expect(tokens.first?.count == 65)
            #expect(!FileManager.default.fileExists(atPath: state))
        }
    }

    /// What a start that was ended while it wrote its token has left, and what somebody wrote there by hand.
    @Test(arguments: ["", "\n", "0123abc", "by-hand", "0123456789abcdef\n"])
    func aTokenThatWasCutShortIsMadeAnew(left: String) async throws {
        let isCutShort = left.isEmpty || left == "\n" || left == "0123abc"
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "s").path
            try makeFolder(state)
            try writeFile("\(state)/token", left)
            let process = try RunningProcess(
                Command(
                    Project.executable("lian-orchestrator"),
                    ["--listen", "127.0.0.1:0", "--log", "json", "--state", state],
                    environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"]),
                outputFile: folder.appending(path: "log"))
            defer { process.stop() }
            #expect(await eventually { fileKind("\(state)/listen") != nil || !process.isRunning })
            let token = try readText("\(state)/token")
            #expect((token != left) == isCutShort)
            if isCutShort { #expect(token.count == 65) }
            #expect(process.output.contains("token_made_anew") == isCutShort)
            let port = Int(try readText("\(state)/listen").dropLast().split(separator: ":").last ?? "")
            let answer = try await exchange(
                port: try #require(port), "GET", "/api/v1/runners",
                headers: ["Authorization": "Bearer \(token.filter { !$0.isNewline })"])
            #expect(answer.status == 200)
            process.signal(SIGTERM)
            #expect(await process.ended() == .exited(0))
        }
    }

    @Test func runnersOutliveAKilledOrchestrator() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(flags: ["--on-stop", "keep"]) { orchestrator in
                let kept = try await orchestrator.readyRunner(caller.order(), key: "key-kept-1")
                let lost = try await orchestrator.readyRunner(caller.order(), key: "key-lost-1")
                orchestrator.kill()
                try await orchestrator.killProcess("sshd", of: lost.id)
                let stray = "\(orchestrator.runnersFolder)/r-stray"
                try FileManager.default.createDirectory(atPath: stray, withIntermediateDirectories: false)

                let swept = try await run(orchestrator.command(["--sweep"]), deadline: .seconds(30))
                #expect(swept.termination == .exited(0), "\(swept.errorText)")
                #expect(!FileManager.default.fileExists(atPath: stray))
                #expect(!FileManager.default.fileExists(atPath: parentFolder(lost.workDir)))

                try await orchestrator.start()
                #expect(try await caller.ssh(kept, "echo here").outputText == "here\n")
                let again = try await orchestrator.spawn(caller.order(), key: "key-kept-1")
                #expect(again.status == 200)
                #expect(again.json["data"]?["runner_id"]?.stringValue == kept.id)

                // Kept by a stop as well, and found again.
                #expect(await orchestrator.stop() == .exited(0))
                #expect(try await caller.ssh(kept, "echo still").outputText == "still\n")
                try await orchestrator.start()
                try await orchestrator.destroy(kept.id)
                #expect(try await orchestrator.remainsInTheEnd().isEmpty)
            }
        }
    }

    /// kill -9 amid spawns and destroys, then a restart: what the store does not know is not there any more.
    /// LIAN_KILL_SPAWNS makes it longer.
    @Test func killedAmidSpawnsAndDestroys() async throws {
        let count = ProcessInfo.processInfo.environment["LIAN_KILL_SPAWNS"].flatMap { Int($0) } ?? 24
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(flags: ["--capacity", "6"]) { orchestrator in
                for round in 0..<2 {
                    let work = Task {
                        await withTaskGroup(of: Void.self) { group in
                            for number in 0..<count {
                                group.addTask {
                                    // Refused, cut off or served: all of it may happen here.
                                    let answer = try? await orchestrator.spawn(
                                        caller.order(build: "b-\(number)"), key: "key-\(round)-\(number)")
                                    guard let id = answer?.json["data"]?["runner_id"]?.stringValue, number % 3 > 0
                                    else { return }
                                    _ = try? await orchestrator.destroy(id)
                                }
                            }
                        }
                    }
                    // In the middle: some are there, not all are through.
                    #expect(await eventually { (try? orchestrator.remains().isEmpty) == false })
                    try await Task.sleep(for: .milliseconds(50 + 150 * round))
                    orchestrator.kill()
                    await work.value
                    try await orchestrator.start()
                    let list = try await orchestrator.request("GET", "/api/v1/runners")
                    let known = Set((list.json["data"]?.arrayValue ?? []).compactMap { $0["runner_id"]?.stringValue })
                    for remain in try orchestrator.remains() where remain.hasPrefix("folder ") {
                        #expect(known.contains(String(remain.dropFirst(7))))
                    }
                    for runner in list.json["data"]?.arrayValue ?? [] {
                        #expect(runner["state"] == "ready")
                        try await orchestrator.destroy(runner["runner_id"]?.stringValue ?? "")
                    }
                    #expect(try await orchestrator.remainsInTheEnd().isEmpty)
                }
            }
        }
    }
}
