import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What every provider keeps to, whatever it makes machines of.
struct Conformance<Provider: RunnerProvider> {
    let caller: Caller
    /// Whether it asks for its machines over a network, where an answer may be lost.
    let asksOthers: Bool
    /// Whether what nobody wants any more may still be made when it is destroyed, which then fails and is tried again.
    let goesOnMaking: Bool
    /// A provider as it is after a start of the orchestrator of that id: at the same place, and with no memory.
    let start: (_ orchestrator: String) async throws -> Provider
    let order: (_ runnerID: String) throws -> RunnerOrder
    private let ours = "o-\(randomTag())"

    init(
        caller: Caller, asksOthers: Bool = true, goesOnMaking: Bool = false,
        start: @escaping (_ orchestrator: String) async throws -> Provider,
        order: @escaping (_ runnerID: String) throws -> RunnerOrder
    ) {
        self.caller = caller
        self.asksOthers = asksOthers
        self.goesOnMaking = goesOnMaking
        self.start = start
        self.order = order
    }

    func check() async throws {
        let provider = try await start(ours)
        let stranger = try await start("o-\(randomTag())")
        #expect(try existing(provider).isEmpty && provider.problem == nil)
        let first = "r-\(randomTag())"
        let second = "r-\(randomTag())"
        try await oneIsMade(first, provider, unseenBy: stranger)
        if asksOthers { try await anotherTryReplaces(first, provider) }
        let beside = try await make(try order(second), by: provider)
        #expect(try existing(provider) == [first, second].sorted())
        try await aStartFindsAndRemoves(first)
        #expect(try existing(provider) == [second] && isAlive(second, provider))
        #expect(try await caller.ssh(beside, "true").termination == .exited(0))
        try await destroy(second, provider)
        try await nobodyWaits(first, provider)
        try noOther(provider)
        #expect(try existing(provider).isEmpty)
    }

    /// The client knows the host's key before it connects: ssh takes no other.
    private func oneIsMade(_ id: String, _ provider: Provider, unseenBy stranger: Provider) async throws {
        let runner = try await make(try order(id), by: provider)
        #expect(try await caller.ssh(runner, "cd \(runner.workDir) && echo hello").outputText == "hello\n")
        #expect(try existing(provider) == [id] && isAlive(id, provider))
        // One of another orchestrator at the same place has other marks: it neither lists nor removes what is ours.
        #expect(try existing(stranger).isEmpty)
        try await destroy(id, stranger)
        #expect(try existing(provider) == [id])
        #expect(try await caller.ssh(runner, "true").termination == .exited(0))
    }

    /// An answer that was lost is asked for again: one machine comes of it.
    private func anotherTryReplaces(_ id: String, _ provider: Provider) async throws {
        let runner = try await make(try order(id), by: provider)
        #expect(try existing(provider) == [id] && isAlive(id, provider))
        #expect(try await caller.ssh(runner, "true").termination == .exited(0))
    }

    /// What a crash has left is found by its marks alone, and may be removed as often as one likes.
    private func aStartFindsAndRemoves(_ id: String) async throws {
        let again = try await start(ours)
        #expect(try existing(again).contains(id))
        for _ in 0..<2 { try await destroy(id, again) }
        #expect(try !existing(again).contains(id))
        // Nobody has ever made that one.
        try await destroy("r-\(randomTag())", again)
    }

    /// One that is destroyed while it is being made: whether that ends by an error or not, nothing is left.
    private func nobodyWaits(_ id: String, _ provider: Provider) async throws {
        let order = try order(id)
        _ = await onOwnThread {
            Result { () throws(ProviderError) in try provider.create(order, isWanted: { false }) }
        }
        if goesOnMaking {
            #expect(await eventually { (try? await destroy(id, provider)) != nil })
        } else {
            try await destroy(id, provider)
        }
        #expect(try !existing(provider).contains(id))
    }

    /// What can never be served is said in words that name it, and what stands in the way just now in bounded time.
    private func noOther(_ provider: Provider) throws {
        var request = try order("r-\(randomTag())").request
        #expect(provider.refusal(of: request) == nil && provider.obstacle(to: request) == nil)
        request.region = "nowhere-1"
        #expect(provider.refusal(of: request)?.contains("nowhere-1") == true)
    }

    private func existing(_ provider: Provider) throws -> [String] { try provider.existing() }
    private func isAlive(_ id: String, _ provider: Provider) throws -> Bool { try provider.isAlive(id) }

    private func destroy(_ id: String, _ provider: Provider) async throws {
        // Files may go on being deleted; whatever runs is gone at once.
        _ = try await onOwnThread { Result { () throws(ProviderError) in try provider.destroy(id) } }.get()
    }
}

private func randomTag() -> String { hexadecimal(randomBytes(4)) }
