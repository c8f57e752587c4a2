import LianChannel
import LianModel
import LianSystem

/// One channel with the wrapper at its other end. Used by one task at a time for reading; writing may go on beside it.
actor WrapperChannel {
    private let channel: any RemoteChannel
    private let silenceLimit: Duration
    private var start: StreamStart
    private var records: RecordParser
    /// The read that is under way: a reader that gives up leaves it for the next one, so no byte is lost.
    private var pendingRead: Task<RemoteOutput?, any Error>?
    private var waiting: [WrapperMessage] = []
    private var nextWaiting = 0

    private init(
        channel: any RemoteChannel, request: WrapperRequest, silenceLimit: Duration, resultLimit: Int
    ) {
        self.channel = channel
        self.silenceLimit = silenceLimit
        start = StreamStart(nonce: request.nonce)
        records = RecordParser(request, resultLimit: resultLimit)
    }

    /// Starts the wrapper on the host and sends it the request.
    static func open(
        on host: any RemoteHost, request: WrapperRequest, silenceLimit: Duration
    ) async throws -> WrapperChannel {
        let waiting = try await WaitingWrapper.start(on: host, limit: silenceLimit)
        return try await ask(waiting, request, silenceLimit: silenceLimit)
    }

    /// Sends the request to a wrapper that was started before and waits for it.
    static func ask(
        _ waiting: WaitingWrapper, _ request: WrapperRequest, silenceLimit: Duration, resultLimit: Int = 0
    ) async throws -> WrapperChannel {
        let wrapper = WrapperChannel(
            channel: waiting.channel, request: request, silenceLimit: silenceLimit, resultLimit: resultLimit)
        do {
            try await wrapper.send(request.bytes)
        } catch {
            await wrapper.close()
            throw error
        }
        return wrapper
    }

    func send(_ bytes: [UInt8]) async throws {
        let sent: Void? = try await withinLimit(silenceLimit) { [channel] in
            try await orConnectionLost { try await channel.write(bytes) }
        }
        guard sent != nil else { throw RemoteFailure.connectionLost("it took no more data") }
    }

    /// The next thing the remote side said; nil at the end of the channel. What is neither a record nor the stream is no
    /// sign of life.
    func next() async throws -> WrapperMessage? {
        var deadline = ContinuousClock.now + silenceLimit
        var heard = "nothing"
        while true {
            if nextWaiting < waiting.count {
                nextWaiting += 1
                return waiting[nextWaiting - 1]
            }
            waiting.removeAll(keepingCapacity: true)
            nextWaiting = 0
            let next = try await read(until: deadline) { "\(heard) came for \(silenceLimit.milliseconds / 1000) s" }
            guard let output = next else { return nil }
            heard = "nothing but noise"
            switch output {
            case .output(let bytes):
                let own = try start.strip(bytes)
                if !own.isEmpty { return .stream(own) }
            case .error(let bytes):
                waiting = try records.feed(bytes)
                // A large result may take longer.
                if records.isTakingResult { deadline = .now + silenceLimit }
            }
        }
    }

    private func read(
        until deadline: ContinuousClock.Instant, silence: () -> String
    ) async throws -> RemoteOutput? {
        let left = deadline - .now
        guard left > .zero else { throw RemoteFailure.connectionLost(silence()) }
        let read = pendingRead ?? Task { [channel] in try await channel.read() }
        pendingRead = read
        let outcome: RemoteOutput??
        do {
            outcome = try await withinLimit(left) { try await read.value }
        } catch {
            // Cancelled: the read goes on for the next reader.
            if Task.isCancelled { throw CancellationError() }
            pendingRead = nil
            throw RemoteFailure.connectionLost("\(error)")
        }
        guard let output = outcome else { throw RemoteFailure.connectionLost(silence()) }
        pendingRead = nil
        return output
    }

    /// What the channel said beside records, for an error that no record explains.
    var noise: String { records.noise }

    @discardableResult
    func close() async -> RemoteEnd {
        pendingRead?.cancel()
        // A dead connection may not even close; nobody waits for that.
        let end = try? await withinLimit(min(silenceLimit, .seconds(5))) { [channel] in await channel.close() }
        return (end ?? nil) ?? RemoteEnd(isClean: false, exitStatus: nil, signal: nil)
    }
}
