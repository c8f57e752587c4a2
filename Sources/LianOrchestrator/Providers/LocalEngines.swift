import Glibc
import LianSystem

/// The engines that local runners have of their own.
struct LocalEngines: Sendable {
    let engine: any BuildEngine
    let launcher: Launcher
    /// Of the engines that this orchestrator has started, by the runner's id.
    private let started = Monitor<[String: Started]>([:])

    private struct Started {
        let process: ChildProcess
        let isOnVolume: Bool
        /// How it was stopped; nil where nobody has asked for that.
        var stop: EngineEnd?
    }

    /// Within this time an engine must serve with the data that it finds.
    private let startLimit: Duration
    private static let pruneLimit: Duration = .seconds(10)
    private static let endLimit: Duration = .seconds(10)

    init(_ engine: any BuildEngine, launcher: Launcher, startLimit: Duration) {
        self.engine = engine
        self.launcher = launcher
        self.startLimit = startLimit
    }

    func prepare(_ folder: RunnerFolder) throws(SystemError) {
        try engine.prepare(folder, cgroup: launcher.cgroups?.path(of: folder.runnerID))
    }

    /// Starts the engine, and does not wait for it. Does nothing where runners have no engine of their own.
    func start(in folder: RunnerFolder, environment: [String: String]) throws(SystemError) {
        let cgroup = launcher.cgroups?.path(of: folder.runnerID)
        guard let command = engine.command(in: folder, cgroup: cgroup, environment: environment) else { return }
        let process = try launcher.launch(command, as: .engine, in: folder)
        started.update { $0[folder.runnerID] = Started(process: process, isOnVolume: folder.volume != nil) }
    }

    /// Why an engine does not come up with the data that it has found.
    struct StartProblem {
        let text: String
        /// False where it was only too slow, or was killed: the data need not be at fault.
        let hasEnded: Bool
    }

    /// Waits until the engine serves; returns why it does not.
    func problemAtStart(
        in folder: RunnerFolder, environment: [String: String], isWanted: () -> Bool
    ) throws(ProviderError) -> StartProblem? {
        guard let process = started.current[folder.runnerID]?.process,
            let pruning = engine.sourcesPruned(in: folder, environment: environment)
        else { return nil }
        let end = ContinuousClock.now + startLimit
        var problem = "it makes no socket"
        while true {
            // Without a socket there is nobody to ask. With one, the question waits for the answer.
            if fileKind(folder.engineSocket) != nil {
                guard let refusal = refusal(of: pruning, within: end - ContinuousClock.now) else { return nil }
                problem = refusal
            }
            if let termination = launcher.children.end(of: process, within: .milliseconds(10)) {
                return StartProblem(
                    text: "it ended (\(termination.text))", hasEnded: termination != .signalled(SIGKILL))
            }
            guard isWanted() else { throw ProviderError.notWanted }
            guard ContinuousClock.now < end else {
                return StartProblem(text: "it does not serve within \(startLimit): \(problem)", hasEnded: false)
            }
        }
    }

    /// Stops the engine so that its data is whole, holds no local sources, and no more than so many bytes where there is
    /// a limit. Repeated, it returns the same.
    func stop(in folder: RunnerFolder, leaving bytes: Int?, environment: [String: String]) -> EngineEnd {
        guard let found = started.current[folder.runnerID] else {
            return .unclear("the runner has no engine that this orchestrator has started")
        }
        guard found.isOnVolume else { return .unclear("its data lies on no volume") }
        if let stop = found.stop { return stop }
        let end = stop(found.process, in: folder, leaving: bytes, environment: environment)
        started.update { $0[folder.runnerID]?.stop = end }
        return end
    }

    private func stop(
        _ process: ChildProcess, in folder: RunnerFolder, leaving bytes: Int?, environment: [String: String]
    ) -> EngineEnd {
        if let termination = launcher.children.end(of: process, within: .zero) {
            return .unclear("it had ended before (\(termination.text))")
        }
        if let pruning = engine.sourcesPruned(in: folder, environment: environment),
            let refusal = refusal(of: pruning, within: Self.pruneLimit)
        {
            return .unclear("its local sources could not be pruned: \(refusal)")
        }
        // Where it does not succeed the data is whole all the same, and whether it is too much is seen by its size.
        for shrinking in bytes.map({ engine.shrunk(to: $0, in: folder, environment: environment) }) ?? [] {
            _ = refusal(of: shrinking, within: Self.pruneLimit)
        }
        guard launcher.children.signal(SIGTERM, to: process) else { return .unclear("it ended while it was pruned") }
        switch launcher.children.end(of: process, within: Self.endLimit) {
        // BuildKit leaves with 1 after SIGTERM.
        case .exited(0), .exited(1): return .clean
        case let termination?: return .unclear("it did not end cleanly (\(termination.text))")
        case nil: return .unclear("it did not end within \(Self.endLimit) of SIGTERM")
        }
    }

    /// nil where the command succeeds.
    private func refusal(of command: Command, within limit: Duration) -> String? {
        do {
            let result = try runBlocking(command, deadline: limit)
            return result.termination.isSuccess ? nil : result.errorText.trimmingLineEnd()
        } catch .timedOut {
            return "no answer within \(limit)"
        } catch {
            return "\(error)"
        }
    }

    /// How the engine ended by itself; nil where it runs, was stopped or killed, or is not known here.
    func endByItself(of runnerID: String) -> String? {
        guard let found = started.current[runnerID], found.stop == nil,
            let end = launcher.children.end(of: found.process, within: .zero), end != .signalled(SIGKILL)
        else { return nil }
        return end.text
    }

    func forget(_ runnerID: String) {
        started.update { $0[runnerID] = nil }
    }
}

extension Termination {
    fileprivate var text: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .signalled(let signal): "signal \(signal)"
        }
    }
}
