import CMicrohttpd
import Glibc
import LianModel
import LianSystem

/// HTTP/1.1 by libmicrohttpd, and HTTPS where it is given an identity. A few threads serve all connections; one whose
/// answer takes longer is suspended meanwhile and holds up no thread. Places and buffers are bounded, whatever clients do.
///
/// `@unchecked Sendable`: the daemon's handle is set once, and libmicrohttpd's own functions may be called from any
/// thread; `stop` is called once, by the owner.
package final class HTTPServer: @unchecked Sendable {
    package static let bodyLimit = 1 << 20
    /// A body beyond its limit is read and dropped up to this size, so that its sender can read the refusal.
    static let discardLimit = 16 << 20
    /// The limit for the bodies and answers of all requests together.
    static let bufferLimit = 64 << 20
    /// Answers up to this size do not count towards that limit, because the number of connections bounds them.
    static let smallAnswer = 16 << 10
    private static let threads = 4
    private static let stackBytes = 1 << 20
    /// Extra places for connections that were ended but that the library has not closed yet. The library gives each
    /// thread an equal share of the limit that it is told, although all connections may be on one thread.
    private static let spareConnections = 64
    /// How long the last answers may take to reach their clients when the server stops.
    private static let lastAnswersLimit: Duration = .seconds(2)
    /// TLS 1.2 and 1.3 with ciphers of at least 128 bits. GnuTLS has no compression, resumes no session unless it is told
    /// to, and leaves a renegotiation that a client wants to the library, which ends the connection instead.
    private static let tlsPriorities = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

    /// Checks a request's headers before its body is read. It runs on the connections' threads and never blocks.
    package typealias Gate = @Sendable (IncomingRequest) -> Admission
    /// Answers a request that passed the gate by the token. It runs on the connections' threads, so slow work has to be
    /// answered later, from another thread.
    package typealias Handler = @Sendable (IncomingRequest, Token) -> Reply

    package enum Admission {
        case admitted(Token)
        /// The answer, after which the connection ends.
        case refused(OutgoingResponse)
    }

    package enum Reply {
        case now(OutgoingResponse)
        /// Starts the work, which then has to be answered once, from any thread.
        case later((@escaping @Sendable (OutgoingResponse) -> Void) -> Void)
    }

    private let daemon: OpaquePointer
    private let context: ServerContext
    /// What the library's threads have of it, until they are stopped.
    private let lent: Unmanaged<ServerContext>
    private let stopped = Monitor(false)

    /// Serves on the listening socket, which it owns from here on: HTTPS where there is an identity, else HTTP.
    package init(
        listening socket: consuming FileDescriptor, connectionLimit: Int, tls identity: TLSIdentity?,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }, gate: @escaping Gate,
        onFailure: @escaping @Sendable (IncomingRequest, _ isTooOften: Bool) -> Void = { _, _ in },
        handler: @escaping Handler
    ) throws(SystemError) {
        let context = ServerContext(
            gate: gate, onFailure: onFailure, handler: handler, identity: identity,
            places: ConnectionPlaces(limit: connectionLimit),
            buffers: BufferBudget(bytes: Self.bufferLimit))
        self.context = context
        lent = Unmanaged.passRetained(context)
        let stopped = stopped
        try startThread {
            while stopped.wait(atMost: .seconds(1), until: { $0 ? true : nil }) == nil {
                context.places.endOverdue(at: now())
            }
        }
        let daemon = lian_http_start(
            socket.raw, UInt32(Self.threads), UInt32(Self.threads * (connectionLimit + Self.spareConnections)),
            Self.stackBytes, identity == nil ? nil : certificateWanted, Self.tlsPriorities, lent.toOpaque(),
            requestLineArrived, requestArrived, requestEnded, connectionChanged)
        guard let daemon else {
            stopped.update { $0 = true }
            lent.release()
            throw SystemError("MHD_start_daemon")
        }
        self.daemon = daemon
        _ = socket.release()
    }

    /// New connections are shown this identity; those that are open go on with the one that they were shown. Only for a
    /// server that was started with an identity.
    package func reload(_ identity: TLSIdentity) {
        context.identity.set(identity)
    }

    /// Waits for the answers that are under way and closes everything. Called once.
    package func stop() {
        let load = context.load
        load.update { $0.isStopping = true }
        load.wait(atMost: nil) { $0.atWork == 0 ? true : nil }
        load.wait(atMost: Self.lastAnswersLimit) { $0.unanswered == 0 ? true : nil }
        stopped.update { $0 = true }
        MHD_stop_daemon(daemon)
        lent.release()
    }
}

/// What every callback is given.
final class ServerContext: Sendable {
    struct Load {
        var isStopping = false
        /// The number of requests without an answer: the library must not be stopped before it is zero.
        var atWork = 0
        /// The number of requests whose answers have not reached their clients yet.
        var unanswered = 0
    }

    let gate: HTTPServer.Gate
    /// Told of who failed to be let in, and not of who failed too often.
    let onFailure: @Sendable (IncomingRequest, _ isTooOften: Bool) -> Void
    let handler: HTTPServer.Handler
    /// What a new connection is shown; nil where TLS is not spoken.
    let identity: Guarded<TLSIdentity?>
    let failures = FailedAuthentications()
    let places: ConnectionPlaces
    let buffers: BufferBudget
    let load = Monitor(Load())

    init(
        gate: @escaping HTTPServer.Gate, onFailure: @escaping @Sendable (IncomingRequest, _ isTooOften: Bool) -> Void,
        handler: @escaping HTTPServer.Handler, identity: TLSIdentity?,
        places: ConnectionPlaces, buffers: BufferBudget
    ) {
        self.gate = gate
        self.onFailure = onFailure
        self.handler = handler
        self.identity = Guarded(identity)
        self.places = places
        self.buffers = buffers
    }
}

/// What the library keeps with a connection, from its start to its end.
private final class ConnectionContext {
    let peer: PeerAddress
    /// What it is shown. GnuTLS reads it during the whole handshake, in which it may ask for it more than once.
    let identity: TLSIdentity?

    init(_ server: ServerContext, socket: Int32) {
        peer = PeerAddress(ofSocket: socket)
        identity = server.identity.value
    }
}

// The callbacks are functions of the file: a closure written in an isolated context would trap on these threads.

private func requestLineArrived(
    context: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    Unmanaged.passRetained(Exchange(target: target.map { String(cString: $0) } ?? "")).toOpaque()
}

private func requestArrived(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?,
    method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?,
    uploadSize: UnsafeMutablePointer<Int>?, requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context, let connection, let method, let uploadSize, let state = requestContext?.pointee else {
        return .NO
    }
    let server = Unmanaged<ServerContext>.fromOpaque(context).takeUnretainedValue()
    let exchange = Unmanaged<Exchange>.fromOpaque(state).takeUnretainedValue()
    switch exchange.stage {
    case .head:
        exchange.stage = .body
        let announced = header("Content-Length", of: connection).flatMap { Int($0) } ?? 0
        if announced > HTTPServer.discardLimit { exchange.problem = .tooLarge }
        let incoming = request(exchange, method, connection)
        switch server.gate(incoming) {
        case .admitted(let token):
            exchange.token = token
            server.places.showedToken(lian_http_socket(connection))
            return .YES
        case .refused(let answer):
            exchange.stage = .answered
            return send(counted(answer, of: incoming, connection, server), on: connection, closing: true)
        }
    case .body where uploadSize.pointee > 0:
        exchange.collect(UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee), from: server.buffers)
        uploadSize.pointee = 0
        return exchange.received > HTTPServer.discardLimit ? .NO : .YES
    case .body:
        return complete(request(exchange, method, connection), exchange, on: connection, of: server)
    case .atWork:
        return sendAnswer(of: exchange, on: connection, of: server)
    case .answered:
        return .NO
    }
}

/// While a body arrived, the token may have expired or been taken back: it is looked at once more.
private func complete(
    _ request: IncomingRequest, _ exchange: Exchange, on connection: OpaquePointer, of server: ServerContext
) -> MHD_Result {
    guard let shown = exchange.token else { return .NO }
    guard exchange.received > 0 else { return start(request, by: shown, exchange, on: connection, of: server) }
    var head = request
    head.bodyProblem = nil
    switch server.gate(head) {
    case .admitted(let token): return start(request, by: token, exchange, on: connection, of: server)
    case .refused(let answer):
        exchange.stage = .answered
        return send(counted(answer, of: request, connection, server), on: connection, closing: true)
    }
}

/// The request is complete. From here on the client is not to blame for the time that the answer takes.
private func start(
    _ request: IncomingRequest, by token: Token, _ exchange: Exchange, on connection: OpaquePointer,
    of server: ServerContext
) -> MHD_Result {
    let isTaken = server.load.update { load in
        guard !load.isStopping else { return false }
        load.atWork += 1
        load.unanswered += 1
        return true
    }
    // The server is stopping. A client that asks again finds no server, or the next one.
    guard isTaken else { return .NO }
    exchange.isCounted = true
    exchange.stage = .atWork
    switch server.handler(request, token) {
    case .now(let response):
        exchange.take(response, of: server)
        server.load.update { $0.atWork -= 1 }
        return sendAnswer(of: exchange, on: connection, of: server)
    case .later(let start):
        server.places.isWaiting(lian_http_socket(connection))
        MHD_suspend_connection(connection)
        start(SuspendedExchange(connection: connection, exchange: exchange, server: server).answer)
        return .YES
    }
}

/// Sends nothing yet if the library asks before there is an answer.
private func sendAnswer(
    of exchange: Exchange, on connection: OpaquePointer, of server: ServerContext
) -> MHD_Result {
    guard let answer = exchange.answer else { return .YES }
    exchange.answer = nil
    exchange.stage = .answered
    server.places.isAnswered(lian_http_socket(connection))
    return send(answer, on: connection)
}

private func requestEnded(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, end: MHD_RequestTerminationCode
) {
    guard let context, let connection, let state = requestContext?.pointee else { return }
    let server = Unmanaged<ServerContext>.fromOpaque(context).takeUnretainedValue()
    let exchange = Unmanaged<Exchange>.fromOpaque(state).takeRetainedValue()
    requestContext?.pointee = nil
    exchange.giveBack(to: server.buffers)
    if exchange.isCounted { server.load.update { $0.unanswered -= 1 } }
    server.places.isIdle(lian_http_socket(connection))
}

private func connectionChanged(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    connectionContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, change: MHD_ConnectionNotificationCode
) {
    guard let context, let connection, let connectionContext else { return }
    let server = Unmanaged<ServerContext>.fromOpaque(context).takeUnretainedValue()
    let socket = lian_http_socket(connection)
    if change == .CONNECTION_NOTIFY_STARTED {
        let state = ConnectionContext(server, socket: socket)
        connectionContext.pointee = Unmanaged.passRetained(state).toOpaque()
        server.places.arrived(socket, from: state.peer)
    } else {
        server.places.left(socket)
        guard let state = connectionContext.pointee else { return }
        connectionContext.pointee = nil
        Unmanaged<ConnectionContext>.fromOpaque(state).release()
    }
}

private func certificateWanted(
    session: gnutls_session_t?, _: UnsafePointer<gnutls_datum_t>?, _: Int32,
    _: UnsafePointer<gnutls_pk_algorithm_t>?, _: Int32,
    chain: UnsafeMutablePointer<UnsafeMutablePointer<gnutls_pcert_st>?>?, length: UnsafeMutablePointer<UInt32>?,
    key: UnsafeMutablePointer<gnutls_privkey_t?>?
) -> Int32 {
    guard let session, let state = lian_http_session_context(session),
        let identity = Unmanaged<ConnectionContext>.fromOpaque(state).takeUnretainedValue().identity
    else { return -1 }
    chain?.pointee = identity.chain
    length?.pointee = UInt32(identity.chainLength)
    key?.pointee = identity.key
    return 0
}

/// The refusal, or that its peer has failed too often already.
private func counted(
    _ refusal: OutgoingResponse, of request: IncomingRequest, _ connection: OpaquePointer, _ server: ServerContext
) -> OutgoingResponse {
    guard refusal.status == 401, let state = lian_http_connection_context(connection) else { return refusal }
    let peer = Unmanaged<ConnectionContext>.fromOpaque(state).takeUnretainedValue().peer
    let wait = server.failures.add(peer)
    server.onFailure(request, wait != nil)
    return wait.map { APIProblem.tooManyFailures(retryAfter: $0).response } ?? refusal
}

private func request(
    _ exchange: Exchange, _ method: UnsafePointer<CChar>, _ connection: OpaquePointer
) -> IncomingRequest {
    IncomingRequest(
        method: String(cString: method), target: exchange.target,
        authorization: header("Authorization", of: connection),
        idempotencyKey: header("Idempotency-Key", of: connection),
        ifNoneMatch: header("If-None-Match", of: connection), body: exchange.body, bodyProblem: exchange.problem)
}

private func header(_ name: String, of connection: OpaquePointer) -> String? {
    MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
}

private func send(_ answer: OutgoingResponse, on connection: OpaquePointer, closing: Bool = false) -> MHD_Result {
    var bytes = answer.body
    let message = bytes.withUnsafeMutableBytes {
        MHD_create_response_from_buffer($0.count, $0.baseAddress, .RESPMEM_MUST_COPY)
    }
    guard let message else { return .NO }
    defer { MHD_destroy_response(message) }
    for (name, value) in answer.headers { MHD_add_response_header(message, name, value) }
    if closing { MHD_add_response_header(message, "Connection", "close") }
    return MHD_queue_response(connection, UInt32(answer.status), message)
}
