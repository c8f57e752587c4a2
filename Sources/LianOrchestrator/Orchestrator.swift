import Glibc
import LianFlags
import LianModel
import LianSystem
import Synchronization

/// The program: from a command line to an exit status.
package enum Orchestrator {
    private static let connectionLimit = 1024

    package static func main(_ arguments: [String], environment: [String: String]) async -> Int32 {
        let invocation = Invocation(arguments: arguments, environment: environment)
        let options: Options
        do {
            options = try await invocation.options()
        } catch {
            complain(error.message, hint: error.hint, error.logTail)
            return 2
        }
        switch options.action {
        case .help:
            print(HelpPage.page(for: .lianOrchestrator), terminator: "")
            return 0
        case .version:
            print("lian-orchestrator \(lianBuildVersion)")
            return 0
        case .completions(let shell):
            print(CompletionScript.of(.lianOrchestrator, for: shell), terminator: "")
            return 0
        case .newToken:
            let token = Token.newSecret()
            print("token \(token)\nhash  \(TokenHash(of: token.utf8))")
            return 0
        case .hashToken:
            return printHash(ofToken: readLine())
        case .check:
            return await Check(options, environment).run()
        case .tryOut(let name):
            return await Trial(name, options, environment).run()
        case .serve, .sweep:
            return await run(options, invocation)
        }
    }

    private static func printHash(ofToken line: String?) -> Int32 {
        let token = line ?? ""
        if let problem = Tokens.problem(with: token) {
            complain("the token on stdin cannot be used: \(problem)", hint: "Give one line that holds the token alone.")
            return 2
        }
        print(TokenHash(of: token.utf8))
        return 0
    }

    private static func run(_ options: Options, _ invocation: Invocation) async -> Int32 {
        let environment = invocation.environment
        let form = options.log ?? (isatty(STDERR_FILENO) == 1 ? .text : .json)
        let log = EventLog.toStandardError(form)
        ignoreBrokenPipes()
        let signals = EndSignals(log, readsAgain: options.action == .serve && options.config != nil)
        umask(0o077)
        do {
            guard let path = options.state ?? OrchestratorState.defaultFolder(environment: environment) else {
                throw ProviderError(
                    "neither XDG_STATE_HOME nor HOME says where to keep state: name a folder by --state")
            }
            // Before anything is made: what is wrong with it, no client could tell.
            let identity = try await options.identity(environment)
            let folder = try StateFolder(path)
            // An orchestrator that was killed has left its address in this file.
            unlink(OrchestratorState.listenFile(in: folder.path))
            let meters = Meters()
            let store = try Store(
                path: folder.store, limits: HistoryLimits(days: options.historyDays), meters: meters)
            if let problem = store.missingReserve {
                log.warning("no_reserve", "there is no room in reserve for the store on a full disk: \(problem)")
            }
            let clock = try BootClock.ofThisMachine()
            let remover = try LocalRemover(state: folder.path, bootID: clock.bootID)
            let surroundings = ProviderSurroundings(
                environment: environment, orchestrator: try store.orchestratorID(), state: folder.path,
                remover: remover, log: log)
            let served = options.providers.map { $0.served(in: surroundings) }
            let providers = Providers(served[0], Array(served.dropFirst()), machine: remover)
            // Those on other machines open while this one is looked at.
            for (plan, provider) in zip(options.providers, served) where !plan.isHere { _ = provider.ifOpen }
            let roster = try Roster(store, log: log)
            let reconciliation = Reconciliation(
                roster: roster, providers: providers, clock: clock, log: log,
                standby: options.action == .sweep ? [:] : options.places.standby,
                waitsForDeletion: options.action == .sweep)
            // Slow work runs on a thread of its own, so that signals are noticed meanwhile.
            let outcome = try await onOwnThread { Result { try reconciliation.run() } }.get()
            let sources = VolumeSources(
                options: options, environment: environment, state: folder.path, providers: providers, log: log)
            let isSweep = options.action == .sweep
            if !isSweep { try await open(options.providers, providers, log) }
            let volumes = try Volumes(
                store: store, awaiting: isSweep ? sources.findersForSweep : sources.finders,
                limits: options.volumeLimits, clock: clock, log: log, meters: meters)
            // Also where it cannot serve after all: what was mounted for them would stay.
            defer { volumes.close() }
            let areVolumesOpen = try await onOwnThread {
                Result { try sources.open(volumes, living: { roster.standing }) }
            }.get()
            if isSweep {
                let isClean = outcome.isClean && areVolumesOpen
                let living = roster.standing.count
                let others = living == 0 ? "" : "; \(living) with a lease live on: sweep again when it has ended"
                if isClean { log.info("swept", "nothing is left of runners that are gone\(others)") }
                return isClean ? 0 : 1
            }
            let events = await openEvents(options, environment, orchestrator: surroundings.orchestrator, log)
            let fleet = Fleet(
                roster: roster, providers: providers, volumes: volumes, clock: clock, log: log,
                allowing: options.places, unswept: outcome.unseen, meters: meters,
                onLeak: { events?.tell($0) })
            let tokens = Tokens(try options.tokens(environment, folder, log))
            let reloading = Reloading(
                invocation, options, providers: providers, fleet: fleet, volumes: volumes, tokens: tokens, log: log)
            let routes = Routes(fleet: fleet, volumes: volumes, store: store, tokens: tokens, log: log, meters: meters)
            let isDone = try await serve(options, identity, fleet, routes, folder, log, signals, reloading)
            await events?.finish()
            return isDone ? 0 : 1
        } catch {
            log.error("cannot_start", "\(error)")
            return 1
        }
    }

    /// Opens them all, side by side. One that is not there keeps nobody from the others; where all are of this machine,
    /// and none of them can serve, nothing can.
    private static func open(_ plans: [ProviderPlan], _ providers: Providers, _ log: EventLog) async throws {
        var problems: [String] = []
        for provider in providers.all { _ = provider.ifOpen }
        for provider in providers.all {
            do {
                _ = try await onOwnThread {
                    Result { () throws(ProviderError) in try provider.opened(within: nil) }
                }.get()
            } catch {
                problems.append(plans.count == 1 ? "\(error)" : "\(provider.name): \(error)")
                guard plans.contains(where: { !$0.isHere }) || problems.count < plans.count else {
                    throw ProviderError(problems.joined(separator: "; "))
                }
                log.error(
                    "provider_missing", "\(provider.name) does not serve yet, and is tried again: \(error)",
                    ["provider": .string(provider.name)])
            }
        }
    }

    /// nil where none are wanted, or their key cannot be read: that keeps nobody from runners.
    private static func openEvents(
        _ options: Options, _ environment: [String: String], orchestrator: String, _ log: EventLog
    ) async -> OrchestratorEvents? {
        guard let plan = options.events else { return nil }
        do {
            let settings = try await plan.settings(environment)
            log.info("events", "\(plan.told) is told of runners that cannot be removed")
            return OrchestratorEvents(
                settings, subjectPrefix: plan.subjectPrefix, orchestrator: orchestrator, log: log)
        } catch {
            let reason = (error as? LianError)?.message ?? "\(error)"
            log.error("events", "none: \(reason); --check tells when that is mended")
            return nil
        }
    }

    private static func serve(
        _ options: Options, _ identity: TLSIdentity?, _ fleet: Fleet, _ routes: Routes,
        _ folder: borrowing StateFolder, _ log: EventLog, _ signals: EndSignals, _ reloading: Reloading
    ) async throws -> Bool {
        let socket = try options.listen.open()
        let address = socket.address
        // At least half of the descriptors are left for the runners.
        let connections = min(Self.connectionLimit, DescriptorLimit.raise() / 2)
        let server = try HTTPServer(
            listening: socket.takeDescriptor(), connectionLimit: connections, tls: identity, gate: routes.admission,
            onFailure: routes.tellFailure,
            handler: routes.answer)
        try fleet.startReaper()
        if !address.isLoopback {
            log.warning(
                "not_loopback",
                "others than this machine can reach \(address.text)\(identity == nil ? ", by plain HTTP" : ""); runners "
                    + "still listen on 127.0.0.1 alone")
        }
        signals.areWaitedFor(hangup: { await reloading.run(showing: server) })
        let listenFile = OrchestratorState.listenFile(in: folder.path)
        do {
            try replaceFile(listenFile, "\(address.text)\n", outlivesPowerLoss: false)
        } catch {
            // On a full disk the runners that exist still need this orchestrator, and know its address, so it goes on.
            unlink(listenFile)
            log.error("no_listen_file", "clients cannot find the address by themselves: \(error)")
        }
        let providers = fleet.providerStatuses()
        let url = "\(identity == nil ? "http" : "https")://\(address.text)"
        var place: [String: JSONValue] = ["url": .string(url)]
        place["public_url"] = options.publicURL.map(JSONValue.string)
        log.info(
            "listening", "serving at \(url)\(options.publicURL.map { ", which clients reach at \($0)" } ?? "")",
            place.merging([
                "port": .integer(Int(address.port)),
                "provider": .string(providers[0].name), "engine": providers[0].engine.json,
                "providers": .array(providers.map(\.health)),
                "volumes": .string(fleet.volumeSupport.rawValue), "capacity": .integer(options.capacity),
                "version": .string(lianBuildVersion),
                "state": .string(folder.path),
            ]) { $1 })

        let signal = try await signals.first()
        let keeps = reloading.options.onStop == .keep
        log.info("stopping", "stopping on \(signal.name); runners are \(keeps ? "kept" : "destroyed")")
        unlink(listenFile)
        let isDone = await onOwnThread { fleet.stop(destroying: !keeps) }
        server.stop()
        if isDone {
            log.info("stopped", "stopped")
        } else {
            log.error("stopped", "stopped, but not all is as it should be; the next start sees to the rest")
        }
        return isDone
    }

    static func complain(_ message: String, hint: String, _ diagnostic: [String] = []) {
        let lines = diagnostic.map { "  \($0)\n" }.joined()
        let text = "error: \(message)\n\(lines)hint: \(hint)\n"
        _ = write(STDERR_FILENO, text, text.utf8.count)
    }
}

/// What a signal does depends on how far the program is. While it serves, the first signal ends it in an orderly way.
/// Before and after that, and during a sweep, a signal ends it at once; the next start finds whatever is left. Where it
/// serves by a configuration, SIGHUP never ends it: that is read again, as soon as it serves, and until it is to end.
private final class EndSignals: Sendable {
    private struct State {
        var isWaitedFor = false
        var reload: (@Sendable () async -> Void)?
        /// The last reading that was asked for, which begins when those before it are through.
        var reading: Task<Void, Never>?
        var isHungUpEarly = false
    }

    private let watcher = SignalWatcher()
    private let state = Mutex(State())
    private let ordered = FirstResult<EndSignal>()

    init(_ log: EventLog, readsAgain: Bool) {
        Task { [self] in
            for await signal in watcher.signals {
                if signal == .hangup, readsAgain {
                    state.withLock { if !Self.readAgain(&$0) { $0.isHungUpEarly = true } }
                } else if isFirst() {
                    ordered.settle(.success(signal))
                } else {
                    log.warning("stopped_short", "\(signal.name): ending at once; the next start clears away the rest")
                    _exit(signal.exitStatus)
                }
            }
        }
    }

    /// From now on `first` returns the first signal, other than SIGHUP where that has a meaning of its own.
    func areWaitedFor(hangup: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            state.isWaitedFor = true
            state.reload = hangup
            if state.isHungUpEarly { _ = Self.readAgain(&state) }
        }
    }

    func first() async throws -> EndSignal { try await ordered.value() }

    /// Aside, so that the other signals are heard meanwhile. False where it does not serve.
    private static func readAgain(_ state: inout State) -> Bool {
        guard state.isWaitedFor, let reload = state.reload else { return false }
        state.reading = Task { [before = state.reading] in
            await before?.value
            if !Task.isCancelled { await reload() }
        }
        return true
    }

    private func isFirst() -> Bool {
        state.withLock { state in
            guard state.isWaitedFor else { return false }
            state.isWaitedFor = false
            state.reading?.cancel()
            return true
        }
    }
}
