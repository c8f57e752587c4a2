import CMicrohttpd
import Glibc
import LianModel
import LianSystem

/// HTTP/1.1 by libmicrohttpd: a thread for each connection, so that an answer that waits holds up no other.
///
/// `@unchecked Sendable`: the daemon's handle is set once, and libmicrohttpd's own functions may be called from any
/// thread; `stop` is called once, by the owner.
package final class HTTPServer: @unchecked Sendable {
    package static let bodyLimit = 1 << 20
    /// Beyond its limit a body is read and dropped up to here, so that its sender can read the refusal.
    fileprivate static let discardLimit = 16 << 20
    private static let connectionLimit: UInt32 = 512
    /// Longer than the longest wait that a request may ask for.
    private static let idleSeconds: UInt32 = 75
    private static let stackBytes = 1 << 20

    private let daemon: OpaquePointer
    private let context: Unmanaged<ServerContext>
    private let stopped = Monitor(false)

    /// Serves on the listening socket, which it owns from here on. The handler runs on a connection's own thread and
    /// may block.
    package init(
        listening socket: consuming FileDescriptor,
        handler: @escaping @Sendable (IncomingRequest) -> OutgoingResponse
    ) throws(SystemError) {
        let context = ServerContext(handler: handler)
        self.context = Unmanaged.passRetained(context)
        let stopped = stopped
        try startThread {
            while stopped.wait(atMost: .seconds(1), until: { $0 ? true : nil }) == nil { context.watch.endOverdue() }
        }
        let daemon = lian_http_start(
            socket.raw, Self.connectionLimit, Self.idleSeconds, Self.stackBytes, self.context.toOpaque(),
            requestLineArrived, requestArrived, requestEnded, connectionChanged)
        guard let daemon else {
            stopped.update { $0 = true }
            self.context.release()
            throw SystemError("MHD_start_daemon")
        }
        self.daemon = daemon
        _ = socket.release()
    }

    /// Waits for the answers that are under way and closes everything. Called once.
    package func stop() {
        stopped.update { $0 = true }
        MHD_stop_daemon(daemon)
        context.release()
    }
}

/// What every callback is given: the handler and the watch.
private final class ServerContext: Sendable {
    let handler: @Sendable (IncomingRequest) -> OutgoingResponse
    let watch = ConnectionWatch()

    init(handler: @escaping @Sendable (IncomingRequest) -> OutgoingResponse) {
        self.handler = handler
    }
}

/// One request while it arrives. Only its connection's thread touches it.
private final class ArrivingRequest {
    let target: String
    var headersAreRead = false
    var body: [UInt8] = []
    var received = 0

    init(target: String) {
        self.target = target
    }
}

// The callbacks are functions of the file: a closure written in an isolated context would trap on these threads.

private func requestLineArrived(
    context: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    Unmanaged.passRetained(ArrivingRequest(target: target.map { String(cString: $0) } ?? "")).toOpaque()
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
    let request = Unmanaged<ArrivingRequest>.fromOpaque(state).takeUnretainedValue()
    let socket = lian_http_socket(connection)

    if !request.headersAreRead {
        request.headersAreRead = true
        server.watch.expect(socket, within: ConnectionWatch.bodyLimit)
        let announced = header("Content-Length", of: connection).flatMap { Int($0) } ?? 0
        guard announced > HTTPServer.discardLimit else { return .YES }
        request.received = announced
    } else if uploadSize.pointee > 0 {
        request.received += uploadSize.pointee
        if request.received > HTTPServer.discardLimit { return .NO }
        if request.received > HTTPServer.bodyLimit {
            request.body = []
        } else if let upload {
            upload.withMemoryRebound(to: UInt8.self, capacity: uploadSize.pointee) { bytes in
                request.body.append(contentsOf: UnsafeBufferPointer(start: bytes, count: uploadSize.pointee))
            }
        }
        uploadSize.pointee = 0
        return .YES
    }

    // The client has done its part; the answer takes as long as it takes.
    server.watch.forget(socket)
    let response = server.handler(
        IncomingRequest(
            method: String(cString: method), target: request.target,
            authorization: header("Authorization", of: connection),
            idempotencyKey: header("Idempotency-Key", of: connection), body: request.body,
            bodyIsTooLarge: request.received > HTTPServer.bodyLimit))
    server.watch.expect(socket, within: ConnectionWatch.idleLimit)
    return send(response, on: connection)
}

private func requestEnded(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, end: MHD_RequestTerminationCode
) {
    guard let context, let connection, let state = requestContext?.pointee else { return }
    Unmanaged<ArrivingRequest>.fromOpaque(state).release()
    requestContext?.pointee = nil
    Unmanaged<ServerContext>.fromOpaque(context).takeUnretainedValue()
        .watch.expect(lian_http_socket(connection), within: ConnectionWatch.idleLimit)
}

private func connectionChanged(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    connectionContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, change: MHD_ConnectionNotificationCode
) {
    guard let context, let connection else { return }
    let watch = Unmanaged<ServerContext>.fromOpaque(context).takeUnretainedValue().watch
    let socket = lian_http_socket(connection)
    if change == .CONNECTION_NOTIFY_STARTED {
        watch.expect(socket, within: ConnectionWatch.headerLimit)
    } else {
        watch.forget(socket)
    }
}

private func header(_ name: String, of connection: OpaquePointer) -> String? {
    MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
}

private func send(_ response: OutgoingResponse, on connection: OpaquePointer) -> MHD_Result {
    var bytes = response.body.encodedBytes()
    let message = bytes.withUnsafeMutableBytes {
        MHD_create_response_from_buffer($0.count, $0.baseAddress, .RESPMEM_MUST_COPY)
    }
    guard let message else { return .NO }
    defer { MHD_destroy_response(message) }
    MHD_add_response_header(message, "Content-Type", "application/json")
    for (name, value) in response.headers { MHD_add_response_header(message, name, value) }
    return MHD_queue_response(connection, UInt32(response.status), message)
}
