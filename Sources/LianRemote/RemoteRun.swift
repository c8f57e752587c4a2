import LianChannel
import LianModel
import LianSystem

/// A command on the runner that outlives the connection to it. Its log comes in order, whole and once, whatever
/// happens to the connections in between: each new one goes on at the byte where the last one stopped. One task at a
/// time reads; `cancel` may be called beside it.
package actor RemoteRun {
    package enum Event: Equatable, Sendable {
        case log([UInt8])
        case ended(RunEnd)
    }

    private let request: RunRequest
    private let timing: Timing
    private let nonce = Nonce()
    private var channel: WrapperChannel?
    /// Answers the runner for the request's agents, over the connection that the channel is on.
    private var answering: Task<Void, Never>?
    /// Messages that came before the remote side's first record: the two streams of a channel have no common order.
    private var early: [WrapperMessage] = []
    /// How many bytes of early messages are held: more than the channel takes before it is read.
    private static let earlyLimit = 8 << 20
    /// How many silence limits the first record may take, where something else comes meanwhile.
    private static let silencesBeforeStart = 3
    private var attempted = false
    /// The remote side has said that the run exists.
    private var started = false
    private var cancelRequested = false
    private var end: RunEnd?
    /// The result, once it has come: nil inside where the command left none.
    private var brought: [UInt8]??
    private static let resultLimit = 4 << 20

    /// How much of the log has been handed on.
    package private(set) var received = 0

    package init(_ request: RunRequest, timing: Timing = .system) {
        self.request = request
        self.timing = timing
    }

    /// Starts the run, or attaches to it where it was started already; a wrapper that waits on the host is used first.
    package func connect(to host: any RemoteHost, through waiting: WaitingWrapper? = nil) async throws {
        await disconnect()
        if started {
            try await open(on: host, try request.attaching(nonce, offset: received))
        } else {
            let again = attempted
            attempted = true
            do {
                try await open(on: host, try request.starting(nonce), through: waiting)
            } catch RemoteFailure.folderTaken where again {
                // An earlier connection was lost before it could say that it had started the run.
                do {
                    try await open(on: host, try request.attaching(nonce, offset: received))
                } catch RemoteFailure.runGone {
                    throw RemoteFailure.connectionLost("the run is still being started")
                }
            }
        }
        if cancelRequested { try await channel?.send(Array("cancel\n".utf8)) }
    }

    private func open(
        on host: any RemoteHost, _ message: WrapperRequest, through waiting: WaitingWrapper? = nil
    ) async throws {
        let wrapper =
            if let waiting { waiting } else {
                try await WaitingWrapper.start(on: host, limit: request.silenceLimit)
            }
        let opened = try await WrapperChannel.ask(
            wrapper, message, silenceLimit: request.silenceLimit, resultLimit: Self.resultLimit)
        do {
            early = []
            var held = 0
            let deadline = ContinuousClock.now + request.silenceLimit * Self.silencesBeforeStart
            while let message = try await opened.next() {
                guard message == .attached else {
                    if case .stream(let bytes) = message { held += bytes.count }
                    guard held <= Self.earlyLimit, early.count <= Self.earlyLimit >> 6, deadline > .now else {
                        throw RemoteFailure.connectionLost("the runner talks, but does not say that the run exists")
                    }
                    early.append(message)
                    continue
                }
                started = true
                channel = opened
                answer(on: host)
                return
            }
            let noise = await opened.noise
            throw RemoteFailure.connectionLost(noise.isEmpty ? "the remote side ended at once" : noise)
        } catch {
            await opened.close()
            throw error
        }
    }

    deinit {
        answering?.cancel()
    }

    private func answer(on host: any RemoteHost) {
        answering?.cancel()
        // Who has ended asks for nothing any more, also over another connection.
        guard !request.agents.isEmpty, end == nil else { return }
        answering = Task { [request, nonce, timing] in
            await AgentRelay.serve(request, nonce, on: host, timing: timing)
        }
    }

    /// The next piece of the log; after its last byte, the end. `connectionLost` leaves the run as it is: `connect`
    /// again.
    package func next() async throws -> Event {
        while true {
            if let end, received >= end.logBytes { return .ended(end) }
            switch try await message() {
            case .stream(let bytes):
                // A process that left the command's group may still write after the end; those bytes are not of the
                // log.
                let left = end.map { $0.logBytes - received } ?? bytes.count
                let piece = bytes.count <= left ? bytes : Array(bytes.prefix(left))
                received += piece.count
                if !piece.isEmpty { return .log(piece) }
            case .ended(let end):
                self.end = end
                answering?.cancel()
            case .result(let bytes): brought = .some(bytes)
            case .attached, .heartbeat, .done: break
            }
        }
    }

    private func message() async throws -> WrapperMessage {
        guard let current = channel else { throw RemoteFailure.connectionLost("nothing is connected") }
        if !early.isEmpty { return early.removeFirst() }
        do {
            if let message = try await current.next() { return message }
            throw RemoteFailure.connectionLost("the channel was closed")
        } catch let error as CancellationError {
            throw error
        } catch {
            if channel === current { channel = nil }
            // A lost channel may take long to close; the next connection does not wait for that.
            Task { await current.close() }
            throw error
        }
    }

    /// Ends the command's whole group at once; the end is told as any other. Where the connection is gone, the next one
    /// passes the cancel on.
    package func cancel() async throws {
        cancelRequested = true
        try await channel?.send(Array("cancel\n".utf8))
    }

    /// The file `result` that the command left in its folder; nil where there is none. To be called after the end,
    /// which the file comes behind.
    package func result() async throws -> [UInt8]? {
        while true {
            if let brought { return brought }
            if case .result(let bytes) = try await message() { brought = .some(bytes) }
        }
    }

    /// Removes all that the run left on the runner. To be called after the end.
    package func remove() async throws {
        guard let current = channel else { throw RemoteFailure.connectionLost("nothing is connected") }
        try await current.send(Array("done\n".utf8))
        while try await message() != .done {}
        channel = nil
        await current.close()
    }

    /// Closes the connection and leaves the run on the runner to itself, for its grace.
    package func disconnect() async {
        answering?.cancel()
        let current = channel
        channel = nil
        await current?.close()
    }
}

extension RemoteRun {
    /// Follows the run to its end over as many connections as it takes. `reconnect` gives the next host; when none
    /// has worked for `patience`, the loss is final.
    package func follow(
        patience: Duration = .seconds(60), reconnect: @escaping @Sendable () async throws -> any RemoteHost,
        log: @Sendable ([UInt8]) async throws -> Void
    ) async throws -> RunEnd {
        while true {
            do {
                switch try await next() {
                case .log(let bytes): try await log(bytes)
                case .ended(let end): return end
                }
            } catch RemoteFailure.connectionLost(let reason) {
                try await comeBack(within: patience, reason: reason, reconnect)
            }
        }
    }

    /// The file `result`, over as many connections as it takes. To be called after the end.
    package func collect(
        patience: Duration = .seconds(60), reconnect: @escaping @Sendable () async throws -> any RemoteHost
    ) async throws -> [UInt8]? {
        while true {
            do {
                return try await result()
            } catch RemoteFailure.connectionLost(let reason) {
                try await comeBack(within: patience, reason: reason, reconnect)
            }
        }
    }

    private func comeBack(
        within patience: Duration, reason: String, _ reconnect: @escaping @Sendable () async throws -> any RemoteHost
    ) async throws {
        let deadline = timing.now() + patience
        var reason = reason
        while timing.now() < deadline {
            do {
                if let host = try await withinLimit(deadline - timing.now(), reconnect) {
                    return try await connect(to: host)
                }
                reason = "no new connection could be made in time"
            } catch let error as RemoteFailure {
                guard case .connectionLost(let newer) = error else { throw error }
                reason = newer
            } catch let error as CancellationError {
                throw error
            } catch {
                reason = "\(error)"
            }
            try await timing.sleep(.milliseconds(500))
        }
        throw RemoteFailure.connectionLost(reason)
    }

    /// Cancels the run and waits for its end, for a bounded time and without its log; nil where none was seen. To be
    /// called when nobody reads any more.
    package func stop(within limit: Duration) async -> RunEnd? {
        let end = try? await withinLimit(limit) {
            try await self.cancel()
            while true {
                if case .ended(let end) = try await self.next() { return end }
            }
        }
        return end ?? nil
    }
}
