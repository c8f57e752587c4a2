import Glibc
import LianFlags
import LianModel
import LianSystem

/// The program: from a command line to an exit status.
package enum Orchestrator {
    package static func main(_ arguments: [String], environment: [String: String]) async -> Int32 {
        let options: Options
        do {
            options = try Options(arguments)
        } catch {
            complain(error.message, hint: error.hint)
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
        case .serve, .sweep:
            return await run(options, environment)
        }
    }

    private static func run(_ options: Options, _ environment: [String: String]) async -> Int32 {
        let form = options.log ?? (isatty(STDERR_FILENO) == 1 ? .text : .json)
        let log = EventLog.toStandardError(form)
        ignoreBrokenPipes()
        let signals = SignalWatcher()
        umask(0o077)
        do {
            guard let path = options.state ?? OrchestratorState.defaultFolder(environment: environment) else {
                throw ProviderError(
                    "neither XDG_STATE_HOME nor HOME says where to keep state: name a folder by --state")
            }
            let folder = try StateFolder(path)
            // One that was killed has left its address there.
            unlink(OrchestratorState.listenFile(in: folder.path))
            let store = try Store(path: folder.store)
            let clock = try BootClock.ofThisMachine()
            let remover = try LocalRemover(state: folder.path)
            let isClean = try Reconciliation(store: store, remover: remover, clock: clock, log: log).run()
            if options.action == .sweep {
                if isClean { log.info("swept", "nothing is left of runners that are gone") }
                return isClean ? 0 : 1
            }
            let provider = try LocalProvider(
                state: folder.path, engine: options.engine, environment: environment, remover: remover, log: log)
            let fleet = Fleet(store: store, provider: provider, clock: clock, log: log, capacity: options.capacity)
            let token = try token(options, environment, folder, log)
            try await serve(
                options, fleet, Routes(fleet: fleet, store: store, token: token, log: log), folder, log, signals)
            return 0
        } catch {
            log.error("cannot_start", "\(error)")
            return 1
        }
    }

    private static func serve(
        _ options: Options, _ fleet: Fleet, _ routes: Routes, _ folder: borrowing StateFolder, _ log: EventLog,
        _ watcher: SignalWatcher
    ) async throws {
        let socket = try options.listen.open()
        let address = socket.address
        let server = try HTTPServer(listening: socket.takeDescriptor(), handler: routes.answer)
        try fleet.startReaper()
        if !address.isLoopback {
            log.warning(
                "not_loopback",
                "others than this machine can reach \(address.text); runners still listen on 127.0.0.1 alone")
        }
        let listenFile = OrchestratorState.listenFile(in: folder.path)
        try writeFile(listenFile, "\(address.text)\n")
        log.info(
            "listening", "serving at http://\(address.text)",
            [
                "url": .string("http://\(address.text)"), "port": .integer(Int(address.port)),
                "provider": .string(fleet.providerName), "engine": .string(fleet.engineName),
                "capacity": .integer(options.capacity), "version": .string(lianBuildVersion),
                "state": .string(folder.path),
            ])

        var signals = watcher.signals.makeAsyncIterator()
        let signal = await signals.next()
        let keeps = options.onStop == .keep
        log.info(
            "stopping", "stopping on \(signal?.name ?? "no signal"); runners are \(keeps ? "kept" : "destroyed")")
        // A second signal wants the end at once: the next start clears away what this one leaves.
        Task {
            for await again in watcher.signals {
                log.warning("stopped_short", "a second signal: ending at once; the next start clears away the rest")
                exit(again.exitStatus)
            }
        }
        unlink(listenFile)
        try fleet.stop(destroying: !keeps)
        server.stop()
        log.info("stopped", "stopped")
    }

    private static func token(
        _ options: Options, _ environment: [String: String], _ folder: borrowing StateFolder, _ log: EventLog
    ) throws -> BearerToken {
        let token: String
        let source: String
        if let file = options.tokenFile {
            token = try StateFolder.token(in: file)
            source = file
        } else if let value = environment["ORCHESTRATOR_TOKEN"] {
            token = value
            source = "ORCHESTRATOR_TOKEN"
        } else {
            token = try folder.ownToken()
            source = OrchestratorState.tokenFile(in: folder.path)
        }
        if let problem = BearerToken.problem(with: token) {
            throw ProviderError("the token of \(source) cannot be used: \(problem)")
        }
        log.info("token", "clients need the token of \(source)", ["source": .string(source)])
        return BearerToken(token)
    }

    private static func complain(_ message: String, hint: String) {
        let text = "error: \(message)\nhint: \(hint)\n"
        _ = write(STDERR_FILENO, text, text.utf8.count)
    }
}
