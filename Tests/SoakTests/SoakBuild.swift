import Foundation
import Glibc
import LianModel
import LianTestSupport

/// One build of the soak with its fault, from its start to what came of it.
struct SoakBuild: Sendable {
    let number: Int
    let plan: SoakPlan
    let scene: BuildScene
    let ground: SoakGround
    /// A value that nobody may print.
    let secret = "secret-of-the-soak-\(UUID().uuidString)"

    /// What a step asks for and a small runner does not have.
    private static let greed = "800M"
    /// In the place of the usual minute and a half, so that nobody waits that long at the end. Each half minute it is
    /// renewed until then, however busy the machine is.
    private static let leaseOfTheKilled = 40

    private var front: OrchestratorFront { ground.front }

    /// What came of it; `finished` is nil for one that was killed.
    struct Outcome: Sendable {
        let build: SoakBuild
        let finished: FinishedBuild?
        let started: ContinuousClock.Instant
        let ended: ContinuousClock.Instant

        var line: String {
            let end = finished.map { "exit \($0.status) \($0.errorCode ?? $0["status"].stringValue ?? "?")" }
            let seconds = (ended - started).components.seconds
            return "  \(build.number)  \(build.plan.fault.rawValue) at \(build.plan.moment): "
                + "\(end ?? "killed"), \(seconds) s"
        }
    }

    func run() async throws -> Outcome {
        let started = ContinuousClock.now
        if plan.fault == .killed { front.setLease(Self.leaseOfTheKilled, of: scene.workspace) }
        spoilAnswers()
        let running = try scene.start(try arguments(), environment: environment())
        if await strike(running), plan.fault == .killed {
            return Outcome(build: self, finished: nil, started: started, ended: .now)
        }
        let finished = try await running.finished(within: .seconds(240))
        return Outcome(build: self, finished: finished, started: started, ended: .now)
    }

    // MARK: What it builds

    private func arguments() throws -> [String] {
        let secretFlags = ["--secret", "id=npm,env=SOAK_SECRET"]
        let context = try scene.context(dockerfile)
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        try random.read(upToCount: plan.contextBytes)?.write(to: URL(filePath: "\(context)/noise"))
        switch plan.fault {
        case .memoryNextTier:
            return ["--directives", try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])] + secretFlags
        case .memoryNoTier:
            return ["--directives", try scene.directives(tiers: [("only", 0.5)])] + secretFlags
        case .noRegistry:
            return ["--workspace", scene.workspace, "--context", context, "--image", "127.0.0.1:1/acme/app:1"]
                + secretFlags
        case .requestWrong: return scene.flags(context) + secretFlags + ["--dockerfile", "none"]
        case .budgetOver: return scene.flags(context) + secretFlags + ["--time-budget", "1"]
        default: return scene.flags(context) + secretFlags
        }
    }

    private var dockerfile: String {
        let work =
            switch plan.fault {
            case .stepFails: "exit 3"
            case .budgetOver: "busybox sleep 600"
            case .memoryNextTier, .memoryNoTier: "busybox dd if=/dev/zero of=/dev/null bs=\(Self.greed) count=1"
            default: "busybox sleep \(plan.stepSeconds)"
            }
        return BuildScene.shell + "COPY noise /noise\n"
            + "RUN --mount=type=secret,id=npm busybox test -s /run/secrets/npm && echo begun; \(work) && echo made > /made\n"
    }

    private func environment() -> [String: String] {
        var environment = ["ORCHESTRATOR_URL": front.url, "SOAK_SECRET": secret]
        switch plan.fault {
        case .natsGone: environment["NATS_URL"] = "nats://127.0.0.1:1"
        case .natsKeyWrong: environment["NATS_NKEY_SEED"] = "SUnokey"
        default: break
        }
        return environment
    }

    // MARK: What befalls it

    private func spoilAnswers() {
        switch plan.fault {
        case .spawnAnswerLost: front.spoil(.spawn, of: scene.workspace, [.lost])
        case .spawnBusy: front.spoil(.spawn, of: scene.workspace, [.busy, .busy])
        case .destroyBroken: front.spoil(.destroy, of: scene.workspace, [.broken, .broken])
        case .metricsBroken: front.spoil(.metrics, of: scene.workspace, [.broken])
        case .historyBroken: front.spoil(.p95, of: scene.workspace, [.broken])
        default: break
        }
    }

    /// Waits for its moment and does it; false for a build that ended before its moment.
    private func strike(_ running: RunningBuild) async -> Bool {
        _ = await eventually(within: .seconds(120)) {
            running.errorText.contains(plan.moment.stage.words) || !running.isRunning
        }
        try? await Task.sleep(for: plan.moment.delay)
        guard running.isRunning else { return false }
        switch plan.fault {
        case .linkCut: front.proxy(of: scene.workspace)?.cut()
        case .linkReset: front.proxy(of: scene.workspace)?.reset()
        case .linkStalled:
            await forAWhile(front.proxy(of: scene.workspace), begin: { $0.stall() }, end: { $0.resume() })
        case .linkRefused:
            await forAWhile(
                front.proxy(of: scene.workspace),
                begin: { proxy in
                    proxy.refuse()
                    proxy.cut()
                }, end: { $0.accept() })
        case .linkSlow:
            front.proxy(of: scene.workspace)?.setLimit(400_000)
            front.proxy(of: scene.workspace)?.setLatency(.milliseconds(30))
        case .sessionsKilled: kill(runnersProcess("sshd").map(children) ?? [])
        case .runnerKilled:
            let sshd = runnersProcess("sshd")
            kill((sshd.map(children) ?? []) + [sshd].compactMap { $0 })
        case .engineKilled: kill([runnersProcess("engine")].compactMap { $0 })
        case .buildctlKilled: kill(runnerID.map { processes(holding: "/runners/\($0)/bin/buildctl") } ?? [])
        case .terminated: running.signal(SIGTERM)
        case .interrupted: running.signal(SIGINT)
        case .hungUp: running.signal(SIGHUP)
        case .interruptedTwice:
            running.signal(SIGINT)
            try? await Task.sleep(for: plan.lasts / 8)
            running.signal(SIGINT)
        case .killed: running.kill()
        case .orchestratorPaused:
            await ground.upsetOrchestrator { await forAWhile($0, begin: { $0.pause() }, end: { $0.goOn() }) }
        case .orchestratorRestarted:
            await ground.upsetOrchestrator { orchestrator in
                orchestrator.kill()
                // Where it does not come up again, the builds say so.
                try? await orchestrator.start()
            }
        case .natsPaused: await ground.upsetNATS { await forAWhile($0, begin: { $0.pause() }, end: { $0.goOn() }) }
        case .none, .stepFails, .noRegistry, .memoryNextTier, .memoryNoTier, .budgetOver, .requestWrong,
            .spawnAnswerLost, .spawnBusy, .destroyBroken, .metricsBroken, .historyBroken, .natsGone, .natsKeyWrong:
            break
        }
        return true
    }

    private func forAWhile<Part>(_ part: Part?, begin: (Part) -> Void, end: (Part) -> Void) async {
        guard let part else { return }
        begin(part)
        try? await Task.sleep(for: plan.lasts)
        end(part)
    }

    private var runnerID: String? { front.runners.last { $0.workspace == scene.workspace }?.id }

    /// The first process of the build's runner that recorded itself by this name.
    private func runnersProcess(_ name: String) -> pid_t? {
        guard let runnerID else { return nil }
        return scene.orchestrator.process(name, of: runnerID)
    }

    private func kill(_ pids: [pid_t]) {
        for pid in pids where pid > 1 { Glibc.kill(pid, SIGKILL) }
    }
}
