import LianHTTP
import LianModel
import LianNATS
import LianOrchestratorClient
import LianSystem

package struct IntegrateOptions: Sendable {
    /// Where events go to; nil: nowhere.
    package var events: EventsSettings?
    package var subjectPrefix: String
    /// As flag or environment name it; nil: the orchestrator is not asked.
    package var orchestratorURL: String?
    /// Trusted beside the system's.
    package var orchestratorAuthorities: TrustedAuthorities?

    package init(
        events: EventsSettings? = nil, subjectPrefix: String = NatsEventConfig.defaultSubjectPrefix,
        orchestratorURL: String? = nil
    ) {
        self.events = events
        self.subjectPrefix = subjectPrefix
        self.orchestratorURL = orchestratorURL
    }
}

package struct IntegrateResult: Sendable {
    package let answer: IntegrationAnswer
    /// For stderr.
    package let warnings: [String]
}

/// The probe: would a build of this context find what it needs here? It spawns no runner and writes no file.
package struct Integrate: Sendable {
    private let options: IntegrateOptions
    private let environment: [String: String]
    private let timing: Timing

    /// How long a check may take where the context names no deadline.
    private static let standardLimit: Duration = .seconds(10)
    /// A deadline that lies further ahead than this ends here.
    private static let longestLimit: Duration = .seconds(3600)
    private static let eventLimit: Duration = .seconds(1)

    package init(_ options: IntegrateOptions, environment: [String: String], timing: Timing = .system) {
        self.options = options
        self.environment = environment
        self.timing = timing
    }

    package func run(_ input: Result<[UInt8], InputFailure>) async -> IntegrateResult {
        var answer = IntegrationAnswer(startedAt: now)
        let context: SecretDeliveryContext
        do {
            context = try read(input, into: &answer)
        } catch {
            answer.error = error
            answer.finishedAt = now
            return IntegrateResult(answer: answer, warnings: [])
        }
        answer.requestID = context.requestID
        answer.workspace = context.workspace

        let end = timing.now() + limit(of: context)
        // It connects beside the checks.
        let publisher = options.events.map { EventPublisher($0) }
        await runChecks(of: context, until: end, into: &answer)
        let failed = answer.checks.filter { $0.status == .fail }.map(\.name.rawValue)
        if !failed.isEmpty {
            answer.error = LianError(
                .checkFailed, .resolve, "failed: \(failed.joined(separator: ", "))",
                hint: "Each check's detail says what is wrong.")
        }
        // What a cancelled probe found is no result.
        let warnings = Task.isCancelled ? [] : await publish(&answer, context, by: publisher, until: end)
        answer.finishedAt = now
        return IntegrateResult(answer: answer, warnings: warnings)
    }

    private var now: UTCTime { UTCTime(milliseconds: timing.wallClock()) }

    private func limit(of context: SecretDeliveryContext) -> Duration {
        guard let deadline = context.deadline else { return Self.standardLimit }
        return min(Self.longestLimit, .milliseconds(deadline.milliseconds - timing.wallClock()))
    }

    // MARK: Reading

    /// What could be read of a false context is kept in the answer.
    private func read(
        _ input: Result<[UInt8], InputFailure>, into answer: inout IntegrationAnswer
    ) throws(LianError) -> SecretDeliveryContext {
        let bytes: [UInt8]
        switch input {
        case .success(let all): bytes = all
        case .failure(.tooLarge): throw invalid("stdin: holds more than 1 MiB")
        case .failure(.tooSlow): throw invalid("stdin: did not come to its end in time")
        case .failure(.unreadable(let error)): throw invalid("stdin: cannot be read: \(error.reason)")
        }
        guard bytes.count <= contextSizeLimit else { throw invalid("stdin: holds more than 1 MiB") }
        let value: JSONValue
        do {
            value = try JSONValue.parse(bytes)
        } catch {
            throw invalid("stdin: is not JSON: \(error)")
        }
        let requestID = value["request_id"]?.stringValue
        answer.requestID = requestID.flatMap { TextRule.line.holds($0) ? $0 : nil }
        let workspace = value["workspace"]?.stringValue
        answer.workspace = workspace.flatMap { TextRule.slug.holds($0) ? $0 : nil }
        do {
            return try SecretDeliveryContext(value)
        } catch {
            throw invalid(onOneLine(error.description))
        }
    }

    private func invalid(_ message: String) -> LianError {
        LianError(
            .contextInvalid, .arguments, message,
            hint: "What a context has to hold stands in schemas/integration.ncl: SecretDeliveryContext.")
    }

    // MARK: Checking

    private typealias Verdict = (status: IntegrationAnswer.CheckStatus, detail: String?)

    /// Runs the checks side by side, each until the deadline.
    private func runChecks(
        of context: SecretDeliveryContext, until end: ContinuousClock.Instant, into answer: inout IntegrationAnswer
    ) async {
        async let secrets = probeSecrets(of: context, until: end)
        let checks = await withTaskGroup(of: IntegrationAnswer.Check.self) { group in
            for check in context.checks where check != .secrets {
                group.addTask { await timed(check, context, until: end) }
            }
            var checks: [IntegrationAnswer.Check] = []
            for await check in group { checks.append(check) }
            return checks
        }
        let probed = await secrets
        answer.secrets = probed.secrets
        let all = checks + (probed.check.map { [$0] } ?? [])
        answer.checks = context.checks.compactMap { name in all.first { $0.name == name } }
    }

    private func timed(
        _ name: IntegrationCheck, _ context: SecretDeliveryContext, until end: ContinuousClock.Instant
    ) async -> IntegrationAnswer.Check {
        let start = timing.now()
        let limit = end - start
        let verdict: Verdict =
            await inTime(limit, endsPrograms: name == .tools) {
                switch name {
                case .directives: checkDirectives(of: context)
                case .tools: await checkTools(within: limit)
                case .orchestrator: await checkOrchestrator(within: limit)
                case .secrets: (.skip, nil)
                }
            } ?? Self.late
        return IntegrationAnswer.Check(
            name: name, status: verdict.status, detail: verdict.detail,
            durationMilliseconds: (timing.now() - start).milliseconds)
    }

    private static let late: Verdict = (.fail, "deadline")

    /// Nil where the limit, or a cancel, comes first. A cancel waits until programs that were started have ended: this
    /// process ends next.
    private func inTime<Value: Sendable>(
        _ limit: Duration, endsPrograms: Bool = false, _ body: @escaping @Sendable () async -> Value
    ) async -> Value? {
        guard limit > .zero else { return nil }
        let work = Task { await body() }
        defer { work.cancel() }
        do {
            return try await withinLimit(limit) { await work.value }
        } catch {
            work.cancel()
            if endsPrograms { _ = await work.value }
            return nil
        }
    }

    private func probeSecrets(
        of context: SecretDeliveryContext, until end: ContinuousClock.Instant
    ) async -> (secrets: [IntegrationAnswer.Secret], check: IntegrationAnswer.Check?) {
        guard context.checks.contains(.secrets) else { return ([], nil) }
        let start = timing.now()
        let probe = SecretProbe(environment: environment, requestID: context.requestID)
        // Files may lie on a disk that hangs: read on a thread of their own.
        let found = await inTime(end - start) {
            await onOwnThread { context.secrets.map { probe.probe($0) } }
        }
        let secrets =
            found
            ?? context.secrets.map { IntegrationAnswer.Secret(name: $0.name, status: .unreadable, fingerprint: nil) }
        let unresolved = secrets.filter { $0.status != .resolved }
        let verdict: Verdict
        if found == nil {
            verdict = Self.late
        } else if unresolved.isEmpty {
            verdict = (.pass, nil)
        } else {
            verdict = (.fail, onOneLine(unresolved.map { "\($0.name): \($0.status.rawValue)" }.joined(separator: ", ")))
        }
        let check = IntegrationAnswer.Check(
            name: .secrets, status: verdict.status, detail: verdict.detail,
            durationMilliseconds: (timing.now() - start).milliseconds)
        return (secrets, check)
    }

    private func checkDirectives(of context: SecretDeliveryContext) -> Verdict {
        guard let directives = context.directives else { return (.skip, "the context holds none") }
        do {
            _ = try BuildDirectives(directives)
            return (.pass, nil)
        } catch {
            return (.fail, onOneLine(error.description))
        }
    }

    private func checkTools(within limit: Duration) async -> Verdict {
        let (isGood, detail) = await ToolProbe(environment: environment).probe(within: limit)
        return (isGood ? .pass : .fail, detail)
    }

    private func checkOrchestrator(within limit: Duration) async -> Verdict {
        guard let text = options.orchestratorURL else {
            return (.skip, "neither --orchestrator-url nor ORCHESTRATOR_URL")
        }
        do {
            // Health asks for no token, and a probe sends none.
            let client = try OrchestratorClient(
                server: HTTPURL(text), token: nil, authorities: options.orchestratorAuthorities, http: HTTPClient(),
                timing: timing)
            let health = try await client.health(within: limit)
            if let problem = health.problem {
                return (.fail, onOneLine("the orchestrator is degraded: \(problem)"))
            }
            let parts = [health.version, health.provider, health.engine].compactMap { $0 }
            return (.pass, onOneLine(parts.joined(separator: ", ")))
        } catch let error as LianError {
            return (.fail, error.message)
        } catch let error as InvalidHTTPURL {
            return (.fail, "the orchestrator's URL \(error.rule)")
        } catch {
            return (.fail, "the orchestrator cannot be asked: \(error)")
        }
    }

    // MARK: Telling

    private func publish(
        _ answer: inout IntegrationAnswer, _ context: SecretDeliveryContext, by publisher: EventPublisher?,
        until end: ContinuousClock.Instant
    ) async -> [String] {
        // Nobody asked for events, so that none is missed.
        guard let publisher else { return [] }
        let checks = answer.checks.map { ($0.name.rawValue, $0.status.rawValue) }
        let event = IntegrateEvent(
            requestID: context.requestID, workspace: context.workspace, status: answer.status,
            checks: Dictionary(checks, uniquingKeysWith: { first, _ in first })
        ).cloudEvent(subjectPrefix: options.subjectPrefix, id: newEventID(), time: now)
        publisher.publish(event)
        let report = await publisher.finish(
            within: max(.zero, min(Self.eventLimit, end - timing.now())), timing: timing)
        answer.eventSubject = event.subject
        answer.isEventPublished = report.published == 1 && report.failed == 0
        return report.warnings.map(\.message)
    }

    private func newEventID() -> String {
        "i-" + [UInt64.random(in: .min ... .max), .random(in: .min ... .max)].map { String($0, radix: 36) }.joined()
    }
}
