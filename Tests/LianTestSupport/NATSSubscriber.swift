import Glibc
import LianModel
import LianSystem
import Synchronization

/// A NATS client that knows just enough of the protocol to see what others publish, and to ask JetStream.
package final class NATSSubscriber: Sendable {
    package struct Message: Equatable, Sendable {
        package let subject: String
        /// Names as they were written.
        package let headers: [String: String]
        package let body: [UInt8]

        package var json: JSONValue? { try? JSONValue.parse(body) }
    }

    private let descriptor: Int32
    private let received = Mutex<[Message]>([])
    private let pongs = Atomic(0)
    private let isEnded = Atomic(false)

    /// `login` is what CONNECT carries besides the usual, as in `"user":"u","pass":"p"`.
    package init(port: Int, login: String? = nil) async throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            let error = SystemError("connect")
            close(descriptor)
            throw error
        }
        let options = ["\"headers\":true,\"verbose\":false,\"pedantic\":false", login].compactMap { $0 }
        say("CONNECT {\(options.joined(separator: ","))}\r\nSUB > 1\r\n")
        try startThread { [self] in readAll() }
        try await settle()
    }

    package func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        while !isEnded.load(ordering: .acquiring) { usleep(1000) }
        close(descriptor)
    }

    /// What came on subjects that start with the prefix.
    package func messages(_ prefix: String = "lian.") -> [Message] {
        received.withLock { $0.filter { $0.subject.hasPrefix(prefix) } }
    }

    /// Everything that the server took before this is here after it.
    package func settle() async throws {
        let before = pongs.load(ordering: .acquiring)
        say("PING\r\n")
        guard
            await eventually({ pongs.load(ordering: .acquiring) > before || isEnded.load(ordering: .acquiring) }),
            !isEnded.load(ordering: .acquiring)
        else { throw SystemError("PING", ECONNRESET) }
    }

    package func request(_ subject: String, _ body: JSONValue) async throws -> JSONValue {
        let inbox = "_INBOX.\(UInt64.random(in: 0..<UInt64.max))"
        let bytes = body.encoded()
        say("PUB \(subject) \(inbox) \(bytes.utf8.count)\r\n\(bytes)\r\n")
        guard await eventually({ !messages(inbox).isEmpty }), let answer = messages(inbox).first?.json else {
            throw SystemError(subject, ETIMEDOUT)
        }
        return answer
    }

    private func say(_ text: String) {
        _ = sendAll([UInt8](text.utf8), to: descriptor)
    }

    private func readAll() {
        defer { isEnded.store(true, ordering: .releasing) }
        var buffer: [UInt8] = []
        func more() -> Bool {
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return false }
            buffer.append(contentsOf: chunk[..<count])
            return true
        }
        func take(_ count: Int) -> [UInt8]? {
            while buffer.count < count { if !more() { return nil } }
            defer { buffer.removeFirst(count) }
            return Array(buffer.prefix(count))
        }
        func line() -> String? {
            while true {
                if let end = buffer.firstRange(of: [13, 10]) {
                    defer { buffer.removeFirst(end.upperBound) }
                    return String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
                }
                if !more() { return nil }
            }
        }
        while let text = line() {
            let words = text.split(separator: " ")
            switch words.first {
            case "PING": say("PONG\r\n")
            case "PONG": pongs.add(1, ordering: .acquiringAndReleasing)
            case "MSG", "HMSG":
                let hasHeaders = words[0] == "HMSG"
                let headerLength = hasHeaders ? Int(words[words.count - 2]) ?? 0 : 0
                guard let total = words.last.flatMap({ Int($0) }), let bytes = take(total), take(2) != nil else {
                    return
                }
                var headers: [String: String] = [:]
                for header in String(decoding: bytes.prefix(headerLength), as: UTF8.self).split(separator: "\r\n") {
                    let parts = header.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 { headers[String(parts[0])] = String(parts[1].drop { $0 == " " }) }
                }
                let message = Message(
                    subject: String(words[1]), headers: headers, body: Array(bytes.dropFirst(headerLength)))
                received.withLock { $0.append(message) }
            default: break
            }
        }
    }
}
