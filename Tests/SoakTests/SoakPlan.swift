import LianTestSupport

/// What befalls one build, and when: the same for the same seed and number.
struct SoakPlan: Sendable {
    let fault: SoakFault
    let moment: Moment
    /// How long a fault that passes goes on.
    let lasts: Duration
    /// How long the build's step takes.
    let stepSeconds: Int
    /// Of the noise in its context.
    let contextBytes: Int

    /// So long after the build has said that it is there.
    struct Moment: Sendable, CustomStringConvertible {
        enum Stage: String, CaseIterable, Sendable {
            case spawn, connect, sync, build

            /// What lian-build says at its start, or the step.
            var words: String {
                switch self {
                case .spawn: "spawn: asking for a runner"
                case .connect: "connect: connecting to"
                case .sync: "sync: sending"
                case .build: " begun\n"
                }
            }
        }

        let stage: Stage
        let delay: Duration

        var description: String { "\(stage.rawValue) + \(delay.components.attoseconds / 1_000_000_000_000_000) ms" }
    }

    init(seed: UInt64, number: Int, isShort: Bool) {
        var random = SeededGenerator(seed: seed &* 0x1_0000_0001 &+ UInt64(number))
        let fault = random.pick(SoakFault.allCases.filter { !isShort || !$0.isLong })
        self.fault = fault
        let stage = random.pick(fault.stages)
        moment = Moment(stage: stage, delay: .milliseconds(Int.random(in: 0..<1000, using: &random)))
        lasts = .milliseconds(Int.random(in: 500...(isShort ? 2000 : 8000), using: &random))
        stepSeconds = Int.random(in: 1...3, using: &random)
        contextBytes = Int.random(in: 1...(2 << 20), using: &random)
    }
}

/// A fault of the matrix, as it can be had with the real orchestrator.
enum SoakFault: String, CaseIterable, Sendable {
    case none
    // The way to the runner.
    case linkCut, linkReset, linkStalled, linkRefused, linkSlow
    case sessionsKilled, runnerKilled
    // The build.
    case stepFails, noRegistry, buildctlKilled, engineKilled, memoryNextTier, memoryNoTier, budgetOver
    // The caller.
    case terminated, interrupted, hungUp, interruptedTwice, killed, requestWrong
    // The orchestrator.
    case spawnAnswerLost, spawnBusy, destroyBroken, metricsBroken, historyBroken
    case orchestratorPaused, orchestratorRestarted
    // The events.
    case natsPaused, natsGone, natsKeyWrong

    /// Takes half a minute or more by its nature.
    var isLong: Bool { [.runnerKilled, .budgetOver].contains(self) }

    /// Where in a build it can strike.
    var stages: [SoakPlan.Moment.Stage] {
        switch self {
        case .linkCut, .linkReset, .linkStalled, .linkRefused, .sessionsKilled, .runnerKilled, .engineKilled:
            [.connect, .sync, .build, .build]
        case .buildctlKilled: [.build]
        default: SoakPlan.Moment.Stage.allCases
        }
    }

    /// How the build may end, by its exit status: where the fault comes too late, as if there were none.
    func endings(at stage: SoakPlan.Moment.Stage) -> Set<Int32> {
        switch self {
        case .none, .linkSlow, .buildctlKilled, .memoryNextTier, .spawnAnswerLost, .spawnBusy, .destroyBroken,
            .metricsBroken, .historyBroken, .orchestratorPaused, .natsPaused, .natsGone, .natsKeyWrong:
            [0]
        // What runs on the runner goes on without a connection; before it runs, the connection is all there is.
        case .linkCut, .linkReset, .linkStalled, .linkRefused, .sessionsKilled: stage == .build ? [0] : [0, 4]
        case .runnerKilled: [0, 3, 4]
        case .engineKilled: [0, 1, 4]
        case .stepFails, .noRegistry: [1]
        case .requestWrong: [2]
        case .memoryNoTier: [5]
        case .budgetOver: [6]
        case .terminated: [0, 143]
        case .interrupted, .interruptedTwice: [0, 130]
        case .hungUp: [0, 129]
        // One that was killed has no exit status; one that was through before it has.
        case .killed: [0]
        case .orchestratorRestarted: [0, 3]
        }
    }
}
