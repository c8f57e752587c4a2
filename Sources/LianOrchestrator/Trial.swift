import Glibc
import LianModel
import LianSystem

/// `--try NAME`: what a build does with a provider, step by step. A runner is made, logged in to, builds and goes, and
/// nothing of it is left, whatever fails or whoever ends it.
struct Trial {
    private let name: String
    private let options: Options
    private let environment: [String: String]
    private let steps = TrialSteps()

    init(_ name: String, _ options: Options, _ environment: [String: String]) {
        self.name = name
        self.options = options
        self.environment = environment
    }

    func run() async -> Int32 {
        let plans = options.providers
        guard let plan = plans.first(where: { $0.name == name }) ?? plans.first(where: { $0.kind.rawValue == name })
        else {
            let names = plans.map { "'\($0.name)'" }.joined(separator: ", ")
            Orchestrator.complain(
                "there is no provider '\(name)' to try", hint: "Name one of those there are: \(names).")
            return 2
        }
        guard let state = options.state ?? OrchestratorState.defaultFolder(environment: environment) else {
            Orchestrator.complain(
                "neither XDG_STATE_HOME nor HOME says where to keep state", hint: "Name a folder by --state.")
            return 1
        }
        umask(0o077)
        ignoreBrokenPipes()
        let watcher = SignalWatcher()
        let received = Guarded<EndSignal?>(nil)
        let trial = Task { await perform(plan, in: state) }
        let listening = Task {
            for await signal in watcher.signals {
                // A second one is for who cannot wait: the next trial finds what is left.
                guard received.value == nil else { _exit(signal.exitStatus) }
                received.set(signal)
                trial.cancel()
            }
        }
        defer { listening.cancel() }
        let isGood = await trial.value
        return received.value?.exitStatus ?? (isGood ? 0 : 1)
    }

    /// In a folder of its own beside what an orchestrator has there, which may be at work meanwhile.
    private func perform(_ plan: ProviderPlan, in state: String) async -> Bool {
        do {
            let hadState = fileKind(state) != nil
            let folder = try StateFolder("\(state)/try")
            let end = try await perform(plan, at: folder.path, store: folder.store)
            guard end.isClean else {
                steps.advise("what is left there is removed by the next --try \(plan.name) with the same --state")
                return false
            }
            folder.remove()
            if !hadState { rmdir(state) }
            return end.isGood
        } catch {
            steps.fail(error)
            return false
        }
    }

    private struct End {
        var isGood = false
        /// Nothing is left.
        var isClean = true
    }

    private func perform(_ plan: ProviderPlan, at state: String, store path: String) async throws -> End {
        let log = EventLog(.text) { _ in }
        let store = try Store(path: path)
        let clock = try BootClock.ofThisMachine()
        let remover = try LocalRemover(state: state, bootID: clock.bootID)
        let served = plan.served(
            in: ProviderSurroundings(
                environment: environment, orchestrator: try store.orchestratorID(), state: state, remover: remover,
                log: log))
        let providers = Providers(served, machine: remover)
        let roster = try Roster(store, log: log)
        let reconciliation = Reconciliation(
            roster: roster, providers: providers, clock: clock, log: log, waitsForDeletion: true)
        let fleet = Fleet(
            roster: roster, providers: providers, volumes: nil, clock: clock, log: log, allowing: Places(all: 1))
        var end = End()
        do throws(TrialStopped) {
            try await steps.step("provider") {
                let told = try await onOwnThread { _ in
                    let provider = try served.opened(within: nil)
                    return "\(plan.name): \(provider.engine), \(provider.platform)"
                }
                // A trial that was killed has left its runner, which lives on.
                let isFree = try await onOwnThread { _ in
                    let isClean = try reconciliation.run().isClean
                    for record in roster.unfinished { _ = try fleet.destroy(record.id, reason: "its trial is over") }
                    return isClean && roster.unfinished.isEmpty
                }
                guard isFree else { throw ProviderError("what an earlier trial has left cannot be removed") }
                return told
            }
            let spawned = SpawnedRunner(fleet)
            do throws(TrialStopped) {
                try await spawned.use(by: steps)
                end.isGood = true
            } catch {}
            end.isClean = await spawned.destroy(tellingTo: steps)
        } catch {
            end.isClean = roster.unfinished.isEmpty
        }
        // Whoever was asked for, and whose answer nobody waited for any more.
        let isStopped = await onOwnThread { fleet.stop(destroying: true) }
        end.isClean = end.isClean && isStopped && roster.unfinished.isEmpty
        return End(isGood: end.isGood && end.isClean, isClean: end.isClean)
    }
}
