import LianModel

/// What there is just now, as far as a token sees it.
struct Overview {
    let fleet: Fleet
    let volumes: Volumes?
    let store: Store

    private static let mostWorkspaces = 200

    func json(for token: Token) throws -> JSONValue {
        let runners = fleet.unfinished.filter { $0.state != .gone && token.sees($0.workspace) }
        return [
            "runners": .array(runners.map(json)), "capacity": capacity(for: token),
            "volumes": (volumes?.list(whereWorkspace: token.sees) ?? []).json,
            "providers": .array(fleet.providers.map { json($0, for: token) }),
            "workspaces": .array(try workspaces(for: token)),
        ]
    }

    private func json(_ runner: RunnerRecord) -> JSONValue {
        let answer = runner.answer(at: fleet.clock)
        let age = runner.begun.map { fleet.clock.now() - $0 }
        let begun = age.map { UTCTime(milliseconds: fleet.clock.wallClock() - $0).rfc3339 }
        return [
            "runner_id": .string(runner.id), "state": .string(runner.state.rawValue), "reason": runner.reason.json,
            "workspace": .string(runner.workspace), "build_id": runner.buildID.json, "attempt": runner.attempt.json,
            "provider": .string(runner.provider), "size": runner.size.json, "created_at": begun.json,
            "expires_at": answer.expiresAt.json, "volume": runner.place?.volume.map(json) ?? .null,
        ]
    }

    private func json(_ volume: RunnerVolume) -> JSONValue {
        [
            "state": .string(volume.state.rawValue), "from": volume.from.json, "generation": volume.generation.json,
            "bytes": volume.bytes.json, "reason": volume.reason.json,
        ]
    }

    /// How many of the places are taken by others is for those alone who see all.
    private func capacity(for token: Token) -> JSONValue {
        let taken = fleet.unfinished.filter { $0.takesAPlace && token.sees($0.workspace) }
        return [
            "runners": .integer(fleet.capacity), "taken": .integer(taken.count), "quota": token.maxRunners.json,
        ]
    }

    /// An error may name what is of others.
    private func json(_ provider: ProviderStatus, for token: Token) -> JSONValue {
        var error = JSONValue.null
        if token.seesAll, let failure = provider.lastError {
            error = ["message": .string(failure.message), "at": .string(UTCTime(milliseconds: failure.at).rfc3339)]
        }
        return [
            "name": .string(provider.name), "kind": .string(provider.kind), "engine": .string(provider.engine),
            "platform": .string(provider.platform), "health": provider.problem == nil ? "ok" : "degraded",
            "reason": provider.problem.json, "last_error": error,
        ]
    }

    private func workspaces(for token: Token) throws -> [JSONValue] {
        try store.workspaces(seenBy: token, limit: Self.mostWorkspaces).map { workspace in
            let history = try store.history(of: workspace)
            let next = NextSize(history, ladder: .standard)
            var size: JSONValue = .null
            if case .sized(let sizing, _) = next { size = sizing.json }
            return [
                "workspace": .string(workspace), "next_size": size, "reason": .string(next.reason),
                "history": history.json,
            ]
        }
    }
}
