import LianChannel
import LianModel
import LianSystem

/// Sockets in a run's memory folder at which its command finds SSH agents of this side. A relay on the runner,
/// AgentRelay.pl, listens there and sends each request here over a channel of its own; it starts with the run and ends
/// with it.
enum AgentRelay {
    /// It lies among the run's secrets.
    static let program = SecretFile(
        name: "relay.pl",
        bytes: Array(withoutComments(String(decoding: PackageResources.AgentRelay_pl, as: UTF8.self)).utf8))

    /// How many requests are answered at a time: as many as the relay has connections. What the runner sends beyond
    /// that waits.
    private static let requestLimit = 64

    /// How long after a channel that failed the next one is tried.
    private static let pause: Duration = .seconds(1)

    /// Answers the relay of the run with this nonce until the task is cancelled. A channel that fails is replaced: the
    /// relay sends anew what has no answer yet.
    static func serve(_ run: RunRequest, _ nonce: Nonce, on host: any RemoteHost, timing: Timing) async {
        while !Task.isCancelled {
            // Why it failed is of no use to anybody: a step that is not answered says so itself.
            try? await serveOnce(run, nonce, on: host)
            try? await timing.sleep(pause)
        }
    }

    private static func serveOnce(_ run: RunRequest, _ nonce: Nonce, on host: any RemoteHost) async throws {
        var request = WrapperRequest("agents", nonce: nonce, folder: run.folder)
        try request.value(run.folder)
        let channel = try await WaitingWrapper.start(on: host, limit: run.silenceLimit).channel
        do {
            try await channel.write(request.bytes)
            try await answer(run.agents, StreamStart(nonce: nonce), channel)
        } catch {
            _ = await channel.close()
            throw error
        }
        _ = await channel.close()
    }

    /// Returns at the channel's end.
    private static func answer(
        _ agents: [any ForwardedAgent], _ start: StreamStart, _ channel: any RemoteChannel
    ) async throws {
        var start = start
        var frames = AgentFrames(agents: agents.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var running = 0
            while let output = try await channel.read() {
                guard case .output(let bytes) = output else { continue }
                for frame in try frames.feed(start.strip(bytes)) {
                    if running >= requestLimit {
                        try await group.next()
                        running -= 1
                    }
                    running += 1
                    group.addTask {
                        let answer = await agents[frame.agent].answer(frame.request)
                        try await channel.write(AgentFrames.answer(answer, to: frame))
                    }
                }
            }
        }
    }
}

/// The requests in what a relay sends.
struct AgentFrames {
    struct Frame: Equatable {
        let number: UInt32
        let agent: Int
        let request: [UInt8]
    }

    /// No message of an agent's protocol is longer, either way.
    static let messageLimit = 256 << 10
    private static let headSize = 12

    private let agents: Int
    private var bytes: [UInt8] = []

    init(agents: Int) {
        self.agents = agents
    }

    mutating func feed(_ more: [UInt8]) throws(RemoteFailure) -> [Frame] {
        bytes += more
        var frames: [Frame] = []
        var start = 0
        while bytes.count - start >= Self.headSize {
            let size = Int(number(at: start + 8))
            let agent = Int(number(at: start + 4))
            guard (1...Self.messageLimit).contains(size), agent < agents else {
                throw .unintelligible("its relay of SSH agents sends what is no request")
            }
            let end = start + Self.headSize + size
            guard end <= bytes.count else { break }
            frames.append(
                Frame(number: number(at: start), agent: agent, request: Array(bytes[start + Self.headSize..<end])))
            start = end
        }
        bytes.removeFirst(start)
        return frames
    }

    private func number(at position: Int) -> UInt32 {
        bytes[position..<position + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// An answer that is too long is none: it closes the connection that asked.
    static func answer(_ answer: [UInt8], to frame: Frame) -> [UInt8] {
        let answer = answer.count <= messageLimit ? answer : []
        return [frame.number, UInt32(answer.count)].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        } + answer
    }
}
