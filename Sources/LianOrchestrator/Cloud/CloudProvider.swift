import LianModel
import LianSystem

/// A provider that knows its machines by what a cloud's API lists, and nothing of their insides but what their sshd greets
/// with. What all clouds have in common is in the extensions; a cloud of its own is what this protocol asks for.
protocol CloudProvider: RunnerProvider {
    associatedtype Machine: CloudMachine
    associatedtype Failure: CloudFailure
    /// Where, or as what, a machine can be made.
    associatedtype Place: CustomStringConvertible

    /// What messages call it.
    var called: String { get }
    var orchestrator: String { get }
    var limits: CloudLimits { get }
    var books: CloudBooks<Machine, Failure> { get }

    /// All of this orchestrator's machines.
    func seen() throws(Failure) -> [Machine]
    /// What carries both marks.
    func find(_ marks: Marks) throws(Failure) -> [Machine]
    /// Where its sshd is; nil as long as nobody knows.
    func address(of machine: Machine) -> String?

    /// Tried in order.
    func places(for request: SpawnRequest) -> [Place]
    /// By which requests name it; nil where they name none.
    func region(of place: Place) -> String?
    /// One machine exists in the end, however often the cloud had to be asked, and has been started. An answer that was lost
    /// goes into the books, and the machine is looked for by its marks before it is asked for again.
    func make(_ making: Making, in place: Place, isWanted: () -> Bool) throws(Failure) -> Machine
    /// The machine as it is now, with what its boot still needs done; nil where it is gone.
    func lookAgain(at machine: Machine, _ making: Making) throws(ProviderError) -> Machine?

    func remove(_ machine: Machine, until end: ContinuousClock.Instant) throws(Failure)
    /// Whether the cloud may yet make what it was asked for.
    func mayMakeMore(of marks: Marks) throws(Failure) -> Bool
    /// Nothing is left of the runner.
    func forget(_ runnerID: String)
}

extension CloudProvider {
    func region(of place: Place) -> String? { nil }
    func mayMakeMore(of marks: Marks) -> Bool { books.misses(marks.runner, since: limits.lateCreate) }
    func forget(_ runnerID: String) {}
}

/// A machine as the cloud lists it.
protocol CloudMachine: Sendable {
    /// What messages call it.
    var name: String { get }
    var marks: Marks? { get }
    var hasEnded: Bool { get }
}

/// Why the cloud did not do what it was asked for.
protocol CloudFailure: PassingFailure, CustomStringConvertible {
    /// There is no such machine to be had here and now, though all is as it should be.
    var isNoRoom: Bool { get }
    /// The name, or the number, by which it was asked for is somebody else's.
    var isNameTaken: Bool { get }
}

/// How long each thing may take, in the end.
struct CloudLimits: Sendable {
    var create: Duration = .seconds(180)
    var boot: Duration = .seconds(300)
    var removal: Duration = .seconds(50)
    /// How long a create whose answer never came may still make a machine.
    var lateCreate: Duration = .seconds(60)
    var start: Duration = .seconds(15)
}

/// What the cloud told of this orchestrator's machines at one time.
struct CloudView<Machine: CloudMachine>: Sendable {
    let begun: ContinuousClock.Instant
    let machines: [Machine]

    func of(_ marks: Marks) -> [Machine] { machines.filter { $0.marks == marks } }
}

/// What this process remembers of its runners and of the cloud.
struct CloudBooks<Machine: CloudMachine, Failure: CloudFailure>: Sendable {
    /// When each runner of this process became ready: an older look tells nothing of it.
    let ready = Guarded<[String: ContinuousClock.Instant]>([:])
    /// Since when an answer to a runner's create is missing that may yet make a machine.
    let unanswered = Guarded<[String: ContinuousClock.Instant]>([:])
    let lookout: Lookout<CloudView<Machine>, Failure>
    let greetings = Greetings()

    /// Clouds count what they are asked.
    private static var freshness: Duration { .seconds(5) }
    static var staleness: Duration { .seconds(30) }

    /// `silence` is what those are told who wait for a look that does not end.
    init(silence: Failure) {
        lookout = Lookout(limit: .seconds(15), freshness: Self.freshness, silence: silence)
    }

    func misses(_ runnerID: String, since limit: Duration) -> Bool {
        unanswered.value[runnerID].map { ContinuousClock.now - $0 < limit } ?? false
    }
}

// MARK: - Runners that are there

extension CloudProvider {
    typealias Look = Result<CloudView<Machine>, Failure>

    var problem: String? {
        guard case .failure(let failure)? = last else { return nil }
        return "the \(called) does not answer: \(failure)"
    }

    func existing() throws(ProviderError) -> [String] {
        let marks = try told { () throws(Failure) in
            try patiently(until: .now + limits.start) { () throws(Failure) in try see() }
        }.machines.compactMap(\.marks)
        return Marks.runners(of: orchestrator, in: marks)
    }

    /// By what was seen last, so that a cloud that hangs holds nobody up, and by whether its sshd still greets.
    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool {
        let view = try told { () throws(Failure) in try (last ?? look()).get() }
        if let ready = books.ready.value[runnerID], ready >= view.begun { return true }
        let staleness = CloudBooks<Machine, Failure>.staleness
        guard ContinuousClock.now - view.begun < staleness else {
            throw ProviderError("the \(called) was not seen for \(staleness)")
        }
        guard let machine = view.of(marks(runnerID)).first, !machine.hasEnded else { return false }
        guard let host = address(of: machine) else { return true }
        return books.greetings.areHeard(of: runnerID, at: host, BootScript.sshPort)
    }

    /// By what was seen last, as `isAlive`.
    func causeOfDeath(_ runnerID: String) -> String {
        guard case .success(let view)? = last, let machine = view.of(marks(runnerID)).first else {
            return "its machine is gone from the \(called)"
        }
        let end = machine.hasEnded ? "is off" : "is on, and its sshd does not answer any more"
        return "its machine \(machine.name) \(end)"
    }

    func marks(_ runnerID: String) -> Marks { Marks(orchestrator: orchestrator, runner: runnerID) }

    func told<Value>(_ body: () throws(Failure) -> Value) throws(ProviderError) -> Value {
        do {
            return try body()
        } catch {
            throw ProviderError("the \(called) does not answer: \(error)")
        }
    }

    func look() -> Look { books.lookout.look { () throws(Failure) in try see() } }
    private var last: Look? { books.lookout.last { () throws(Failure) in try see() } }

    private func see() throws(Failure) -> CloudView<Machine> {
        let begun = ContinuousClock.now
        return CloudView(begun: begun, machines: try seen())
    }
}
