import LianHTTP
import LianModel
import LianSystem

/// A spawn that gave no runner. What it may have left behind is told with it.
package struct SpawnFailure: Error, Equatable, Sendable {
    package let error: LianError
    /// The runner to destroy, where the answer named one.
    package let runnerID: String?
    /// No answer tells whether a runner came to be: `destroyWhatWasSpawned` asks with the same key.
    package let mayHaveSpawned: Bool
}

package enum DestroyOutcome: Equatable, Sendable {
    /// The orchestrator says that the runner is gone.
    case gone
    /// What the orchestrator says instead, to be shown.
    case unconfirmed(String)
}

extension OrchestratorClient {
    /// Asks for a runner until there is an answer or the deadline passes, always with the same key: one runner comes
    /// of it, however many answers are lost. `onRetry` hears once why it asks again.
    package func spawn(
        _ request: SpawnRequest, key: String, until deadline: ContinuousClock.Instant,
        onRetry: @escaping @Sendable (_ reason: String) -> Void = { _ in }
    ) async throws(SpawnFailure) -> RunnerAnswer {
        var call = spawnCall(request, key)
        call.patience = policy.patienceWhereUnreachable
        call.onRetry = { answer in
            switch answer {
            case .success(let answer): onRetry(said(answer))
            case .failure(let failure): onRetry(error(failure, .spawn).message)
            }
        }
        let attempted = await perform(call, until: deadline)
        let answer: APIAnswer
        switch attempted.answer {
        case .success(let success): answer = success
        case .failure(let failure):
            throw SpawnFailure(
                error: error(failure, .spawn), runnerID: nil, mayHaveSpawned: attempted.isFateUnknown)
        }
        guard answer.status == 200 || answer.status == 201 else {
            throw SpawnFailure(
                error: error(answer, refusal: .spawnRefused, .spawn), runnerID: answer.runnerID,
                mayHaveSpawned: attempted.isFateUnknown || answer.status >= 500 && answer.status != 503)
        }
        do {
            return try runner(in: answer)
        } catch {
            throw SpawnFailure(
                error: self.error(error, .spawn), runnerID: answer.runnerID, mayHaveSpawned: answer.runnerID == nil)
        }
    }

    /// After a spawn whose fate is unknown: asks with the same key once more, and destroys the runner that this
    /// answers. Nil where the orchestrator answers that there is none. Like `destroy`, it is not cancelled.
    package func destroyWhatWasSpawned(
        by request: SpawnRequest, key: String, within budget: Duration = destroyBudget
    ) async -> (runnerID: String?, outcome: DestroyOutcome)? {
        await uncancelled {
            let deadline = timing.now() + budget
            let attempted = await perform(spawnCall(request, key), until: deadline)
            switch attempted.answer {
            case .failure(let failure):
                return (nil, .unconfirmed(error(failure, .teardown).message))
            case .success(let answer):
                if let id = answer.runnerID { return (id, await destroyNow(id, until: deadline)) }
                let isRefused = (400..<500).contains(answer.status) && !attempted.isFateUnknown
                return isRefused ? nil : (nil, .unconfirmed(said(answer)))
            }
        }
    }

    private func spawnCall(_ request: SpawnRequest, _ key: String) -> Call {
        Call(
            method: .post, path: "/api/v1/runners", headers: ["Idempotency-Key": key], body: request.json,
            needsFreshConnection: true)
    }

    private func runner(in answer: APIAnswer, expected id: String? = nil) throws(SchemaViolation) -> RunnerAnswer {
        let data = try answer.data()
        let runner = try RunnerAnswer(data)
        if let id, runner.runnerID != id {
            throw SchemaViolation(path: "data.runner_id", rule: "must be \(id), which was asked for")
        }
        try runner.checkArrival()
        var told = runner
        told.volume?.reason = runner.volume?.reason.map(shown)
        return told
    }

    /// Waits by long-poll until the runner is ready. A runner that fails, is gone or is late is an error.
    package func waitUntilReady(
        _ spawned: RunnerAnswer, until deadline: ContinuousClock.Instant
    ) async throws(LianError) -> ReadyRunner {
        var runner = spawned
        var quickAnswers = 0
        while true {
            switch runner.state {
            case .ready:
                do { return try ReadyRunner(runner) } catch { throw self.error(error, .spawn) }
            case .failed, .gone: throw end(of: runner)
            case .pending: break
            }
            let start = timing.now()
            let left = deadline - start
            guard left > .zero else { throw notReady(runner.runnerID) }
            runner = try await poll(runner.runnerID, wait: min(30, Int(left.components.seconds)), until: deadline)
            // A server that does not know `wait` answers at once; without a pause it would be asked in a spin.
            guard runner.state == .pending, timing.now() - start < .seconds(1) else {
                quickAnswers = 0
                continue
            }
            let pause = min(.seconds(2), .milliseconds(100) * (1 << min(quickAnswers, 5)))
            quickAnswers += 1
            do {
                try await timing.sleep(min(pause, max(.zero, deadline - timing.now())))
            } catch {
                throw self.error(HTTPFailure(.cancelled, ""), .spawn)
            }
        }
    }

    private func end(of runner: RunnerAnswer) -> LianError {
        if let reason = runner.reason, reason.hasPrefix(RunnerAnswer.noCapacity) {
            return LianError(
                .noCapacity, .spawn,
                "there is no room for the runner \(runner.runnerID): "
                    + shown(String(reason.dropFirst(RunnerAnswer.noCapacity.count))),
                hint: "Wait for other builds to end, ask for a smaller runner, or give its provider more room.")
        }
        return LianError(
            .runnerFailed, .spawn,
            "the runner \(runner.runnerID) \(runner.state == .failed ? "failed" : "is gone"): "
                + shown(runner.reason ?? "the orchestrator gives no reason"),
            hint: "The orchestrator's own log says more. Asking again may get a better runner.")
    }

    private func poll(
        _ id: String, wait: Int, until deadline: ContinuousClock.Instant
    ) async throws(LianError) -> RunnerAnswer {
        let call = Call(
            method: .get, path: "/api/v1/runners/\(id)?wait=\(wait)", timeout: Self.requestTimeout + .seconds(wait))
        switch await perform(call, until: deadline).answer {
        case .failure(let failure):
            // An answer that the deadline cut short would have said "pending".
            if failure.kind == .answerTimedOut, deadline - timing.now() < .seconds(1) { throw notReady(id) }
            throw error(failure, .spawn)
        case .success(let answer):
            if answer.status == 404 {
                throw LianError(
                    .runnerFailed, .spawn, "the orchestrator at \(server) no longer knows the runner \(id)",
                    hint: "Its own log says why the runner went.")
            }
            guard answer.status == 200 else { throw error(answer, refusal: .orchestratorAnswerInvalid, .spawn) }
            do { return try runner(in: answer, expected: id) } catch { throw self.error(error, .spawn) }
        }
    }

    private func notReady(_ id: String) -> LianError {
        LianError(
            .runnerNotReady, .spawn, "the runner \(id) was not ready in time",
            hint: "Raise --spawn-timeout (BUILDKIT_SPAWN_TIMEOUT), or look into the orchestrator's log.")
    }

    /// How long destroying may take, its retries included.
    package static let destroyBudget: Duration = .seconds(30)

    /// Destroys the runner. Cleanup is cut off by nothing but its own budget: what cancelled the build, and so the
    /// task that asks, does not cancel it.
    package func destroy(_ id: String, within budget: Duration = destroyBudget) async -> DestroyOutcome {
        await uncancelled { await destroyNow(id, until: timing.now() + budget) }
    }

    private func destroyNow(_ id: String, until deadline: ContinuousClock.Instant) async -> DestroyOutcome {
        let call = Call(
            method: .delete, path: "/api/v1/runners/\(id)",
            // Whatever fails in the server while it destroys may go well the next time.
            isRetried: { $0 == 429 || $0 >= 500 })
        switch await perform(call, until: deadline).answer {
        case .failure(let failure):
            return .unconfirmed(error(failure, .teardown).message)
        case .success(let answer):
            if answer.status == 404 || answer.status == 410 { return .gone }
            guard answer.status == 200 else { return .unconfirmed(said(answer)) }
            do {
                let runner = try runner(in: answer, expected: id)
                return runner.state == .gone
                    ? .gone : .unconfirmed("the orchestrator calls it \(runner.state.rawValue) after destroying it")
            } catch {
                return .unconfirmed(self.error(error, .teardown).message)
            }
        }
    }

    func said(_ answer: APIAnswer) -> String {
        error(answer, refusal: .orchestratorAnswerInvalid, .teardown).message
    }

    private func uncancelled<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
        await Task.detached(operation: body).value
    }
}
