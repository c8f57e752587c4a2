import Glibc
import LianModel
import LianSystem
import Synchronization

/// An HTTP server that answers what it is told to, in every way that a server can go wrong: late, cut, reset, endless,
/// not at all. It records each request as it came.
///
///     try await withScriptedHTTPServer { server in
///         server.on("POST", "/api/v1/runners", [.json(503, …, headers: ["Retry-After": "1"]), .json(201, …)])
///         …
///         #expect(server.requests("POST", "/api/v1/runners").count == 2)
///     }
package final class ScriptedHTTPServer: Sendable {
    package struct Request: Sendable {
        package let method: String
        /// Without the query.
        package let path: String
        package let query: String
        /// Names in lower case.
        package let headers: [String: String]
        package let body: [UInt8]
        /// Which connection it came on, counted from 0.
        package let connection: Int
        /// When all of it had come.
        package let time: ContinuousClock.Instant

        package var json: JSONValue? { try? JSONValue.parse(body) }
    }

    package enum Step: Sendable {
        case send([UInt8])
        case wait(Duration)
        /// Sends the bytes again and again until the client goes.
        case flood([UInt8])
        /// Says nothing more until the client goes or the server stops.
        case hang
        case close
        /// RST instead of FIN.
        case reset
    }

    /// What one request gets. Without a `close` or `reset` at its end the connection is kept for the next one.
    package struct Reply: Sendable {
        package var steps: [Step]

        package init(_ steps: [Step]) {
            self.steps = steps
        }

        package static func answer(
            _ status: Int, _ body: [UInt8] = [], headers: [String: String] = [:], after delay: Duration = .zero
        ) -> Reply {
            var all = ["Content-Length": String(body.count)]
            all.merge(headers) { $1 }
            return Reply([.wait(delay), .send(head(status, all) + body)])
        }

        package static func json(
            _ status: Int, _ value: JSONValue, headers: [String: String] = [:], after delay: Duration = .zero
        ) -> Reply {
            answer(
                status, value.encodedBytes(), headers: headers.merging(["Content-Type": "application/json"]) { $1 },
                after: delay)
        }

        /// An ApiResponse that went well.
        package static func success(_ status: Int, _ data: JSONValue, after delay: Duration = .zero) -> Reply {
            json(status, ["success": true, "data": data, "error": nil], after: delay)
        }

        /// An ApiResponse that did not.
        package static func failure(
            _ status: Int, code: String, message: String, headers: [String: String] = [:]
        ) -> Reply {
            json(
                status,
                ["success": false, "data": nil, "error": ["code": .string(code), "message": .string(message)]],
                headers: headers)
        }

        package static let hang = Reply([.hang])
        package static let reset = Reply([.reset])
        package static let close = Reply([.close])

        /// The whole length is promised, half of the body comes.
        package static func truncated(_ status: Int, _ body: [UInt8]) -> Reply {
            Reply([
                .send(head(status, ["Content-Length": String(body.count)]) + body.prefix(body.count / 2)), .close,
            ])
        }

        /// A chunked body without an end.
        package static func endless(_ status: Int, headers: [String: String] = [:]) -> Reply {
            let chunk = [UInt8]("4000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x4000) + [UInt8]("\r\n".utf8)
            return Reply([
                .send(head(status, headers.merging(["Transfer-Encoding": "chunked"]) { $1 })), .flood(chunk),
            ])
        }

        package static func head(_ status: Int, _ headers: [String: String]) -> [UInt8] {
            let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
            return [UInt8]("HTTP/1.1 \(status) Scripted\r\n\(lines.joined())\r\n".utf8)
        }
    }

    private struct Route {
        let method: String
        let path: String
        let answer: @Sendable (Request, _ count: Int) -> Reply
        var count = 0
    }

    private struct State {
        var routes: [Route] = []
        var requests: [Request] = []
    }

    private final class Script: Sendable {
        let state = Mutex(State())
    }

    private let script: Script
    private let listener: LoopbackListener

    package init() throws {
        let script = Script()
        self.script = script
        listener = try LoopbackListener { descriptor, number in
            var reader = RequestReader(descriptor: descriptor, connection: number)
            while let request = reader.next() {
                guard Self.perform(Self.reply(to: request, script), on: descriptor) else { return }
            }
        }
    }

    package var port: Int { listener.port }
    package var url: String { "http://127.0.0.1:\(port)" }

    /// How many connections were made so far.
    package var connections: Int { listener.accepted }
    package var openConnections: Int { listener.open }

    /// The replies in sequence; the last one goes on for ever. A "*" in the path stands for one part of it. A later
    /// script for the same route replaces the earlier one.
    package func on(_ method: String, _ path: String, _ replies: [Reply]) {
        on(method, path) { _, count in replies[min(count, replies.count - 1)] }
    }

    /// The reply to the nth request of this route, counted from 0.
    package func on(
        _ method: String, _ path: String, answer: @escaping @Sendable (Request, _ count: Int) -> Reply
    ) {
        script.state.withLock { state in
            state.routes.removeAll { $0.method == method && $0.path == path }
            state.routes.append(Route(method: method, path: path, answer: answer))
        }
    }

    /// What came in, in order; of one route where it is named.
    package func requests(_ method: String? = nil, _ path: String? = nil) -> [Request] {
        script.state.withLock(\.requests).filter { request in
            (method.map { $0 == request.method } ?? true) && (path.map { Self.matches($0, request.path) } ?? true)
        }
    }

    package func stop() {
        listener.stop()
    }

    private static func matches(_ pattern: String, _ path: String) -> Bool {
        let wanted = pattern.split(separator: "/", omittingEmptySubsequences: false)
        let given = path.split(separator: "/", omittingEmptySubsequences: false)
        return wanted.count == given.count && zip(wanted, given).allSatisfy { $0 == "*" || $0 == $1 }
    }

    private static func reply(to request: Request, _ script: Script) -> Reply {
        let found: (answer: @Sendable (Request, Int) -> Reply, count: Int)? = script.state.withLock { state in
            state.requests.append(request)
            guard
                let index = state.routes.firstIndex(where: {
                    $0.method == request.method && matches($0.path, request.path)
                })
            else { return nil }
            state.routes[index].count += 1
            return (state.routes[index].answer, state.routes[index].count - 1)
        }
        return found?.answer(request, found?.count ?? 0)
            ?? .failure(404, code: "not_found", message: "no script for \(request.method) \(request.path)")
    }

    /// False where the connection is not to be used again.
    private static func perform(_ reply: Reply, on descriptor: Int32) -> Bool {
        for step in reply.steps {
            switch step {
            case .send(let bytes):
                guard sendAll(bytes, to: descriptor) else { return false }
            case .wait(let duration):
                guard duration == .zero || staysOpen(descriptor, for: duration) else { return false }
            case .flood(let bytes):
                while sendAll(bytes, to: descriptor) {}
                return false
            case .hang:
                while staysOpen(descriptor, for: .seconds(600)) {}
                return false
            case .close:
                return false
            case .reset:
                var linger = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
                return false
            }
        }
        return true
    }

    /// Waits that long; false as soon as the client or the server ends it.
    private static func staysOpen(_ descriptor: Int32, for duration: Duration) -> Bool {
        let end = ContinuousClock.now + duration
        while true {
            let left = end - .now
            guard left > .zero else { return true }
            var polled = [pollfd(fd: descriptor, events: pollPeerClosed, revents: 0)]
            poll(&polled, 1, left.pollMilliseconds)
            if polled[0].revents != 0 { return false }
        }
    }
}

package func withScriptedHTTPServer<Result>(_ body: (ScriptedHTTPServer) async throws -> Result) async throws -> Result
{
    let server = try ScriptedHTTPServer()
    defer { server.stop() }
    return try await body(server)
}

/// POLLRDHUP, which glibc declares under _GNU_SOURCE alone.
private let pollPeerClosed: Int16 = 0x2000

/// Reads one request after the other from a connection.
private struct RequestReader {
    let descriptor: Int32
    let connection: Int
    private var buffer: [UInt8] = []

    init(descriptor: Int32, connection: Int) {
        self.descriptor = descriptor
        self.connection = connection
    }

    mutating func next() -> ScriptedHTTPServer.Request? {
        let end = [UInt8]("\r\n\r\n".utf8)
        var headLength: Int?
        while headLength == nil {
            headLength = buffer.firstRange(of: end)?.lowerBound
            if headLength == nil, !readMore() { return nil }
        }
        guard let headLength else { return nil }
        let head = String(decoding: buffer[..<headLength], as: UTF8.self)
        buffer.removeFirst(headLength + end.count)
        var lines = head.split(separator: "\r\n")[...]
        let words = lines.removeFirst().split(separator: " ")
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        let isChunked = headers["transfer-encoding"] == "chunked"
        guard let body = isChunked ? chunkedBody() : take(headers["content-length"].flatMap { Int($0) } ?? 0) else {
            return nil
        }
        let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return ScriptedHTTPServer.Request(
            method: String(words[0]), path: String(target[0]), query: target.count > 1 ? String(target[1]) : "",
            headers: headers, body: body, connection: connection, time: .now)
    }

    private mutating func take(_ length: Int) -> [UInt8]? {
        while buffer.count < length {
            guard readMore() else { return nil }
        }
        defer { buffer.removeFirst(length) }
        return Array(buffer.prefix(length))
    }

    /// A body that comes in pieces, each behind a line with its length.
    private mutating func chunkedBody() -> [UInt8]? {
        var body: [UInt8] = []
        let lineEnd = Array("\r\n".utf8)
        while true {
            while buffer.firstRange(of: lineEnd) == nil {
                guard readMore() else { return nil }
            }
            guard let end = buffer.firstRange(of: lineEnd)?.lowerBound,
                let line = take(end + lineEnd.count)?.dropLast(lineEnd.count),
                let length = Int(String(decoding: line, as: UTF8.self), radix: 16),
                let piece = take(length + lineEnd.count)
            else { return nil }
            if length == 0 { return body }
            body += piece.dropLast(lineEnd.count)
        }
    }

    private mutating func readMore() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            buffer.append(contentsOf: chunk[..<count])
            return true
        }
    }
}
