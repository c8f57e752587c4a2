import Foundation
import Glibc
import LianSystem
import LianTestSupport

@testable import LianOrchestrator

/// Stands before a member's socket and passes requests on, each by a connection of its own. A rule says what is lost.
final class Door: Sendable {
    enum Deed: String, Sendable {
        case pass, loseRequest, loseAnswer
        /// The answer is that it is done, and the member never hears of it.
        case pretend
    }
    /// Asked of each request, which waits for it: of its method and its target.
    typealias Rule = @Sendable (String, String) -> Deed

    let path: String
    private let target: String
    private let listener: Int32
    private let rule = Guarded<Rule>({ _, _ in .pass })
    private let replacement = Guarded<(old: String, new: String)?>(nil)
    /// The requests so far, by their first lines.
    let seen = Guarded<[(line: String, body: [UInt8])]>([])

    init(at path: String, before target: String) throws {
        self.path = path
        self.target = target
        listener = try listenOnUnixSocket(path: path).release()
        try startThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                do {
                    try startThread { self.serve(connection) }
                } catch {
                    close(connection)
                }
            }
        }
    }

    func rule(_ rule: @escaping Rule) { self.rule.set(rule) }

    /// In all answers from now on. Both have as many bytes.
    func replace(_ old: String, by new: String) { replacement.set((old, new)) }

    /// Ends it: nobody is let in any more.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        unlink(path)
    }

    private func serve(_ client: Int32) {
        defer { close(client) }
        guard let request = read(client), let line = request.text.split(separator: "\r\n").first else { return }
        let words = line.split(separator: " ")
        guard words.count == 3 else { return }
        seen.update { $0.append((String(line), request.body)) }
        let deed = rule.value(String(words[0]), String(words[1]))
        if deed == .loseRequest { return }
        if deed == .pretend {
            let body = #"{"type": "sync", "status": "Success", "status_code": 200, "metadata": {}}"#
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            _ = sendAll(Array("\(head)Connection: close\r\n\r\n\(body)".utf8), to: client)
            return
        }
        guard let server = try? connectUnixSocket(path: target) else { return }
        // By that the end of the answer is the end of the connection, here and there.
        let head = "\(line)\r\nConnection: close\r\n"
        guard sendAll(Array(head.utf8) + request.bytes.dropFirst(line.utf8.count + 2), to: server.raw) else { return }
        var answer: [UInt8] = []
        while let more = receive(server.raw) { answer += more }
        if let (old, new) = replacement.value {
            answer = Array(String(decoding: answer, as: UTF8.self).replacing(old, with: new).utf8)
        }
        if deed == .pass { _ = sendAll(answer, to: client) }
    }

    private func read(_ client: Int32) -> (text: String, bytes: [UInt8], body: [UInt8])? {
        var bytes: [UInt8] = []
        while let more = receive(client) {
            bytes += more
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n") else { continue }
            let head = text[..<end.lowerBound]
            let length = head.lowercased().firstRange(of: "content-length: ").flatMap { range in
                Int(head.lowercased()[range.upperBound...].prefix { $0.isNumber })
            }
            let start = head.utf8.count + 4
            if bytes.count >= start + (length ?? 0) { return (text, bytes, Array(bytes[start...])) }
        }
        return nil
    }

    private func receive(_ socket: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }
}

/// A door for one test.
func withDoor(
    limits: LXDProvider.Limits = LXDProvider.Limits(), _ body: (ClusterScene, Door) async throws -> Void
) async throws {
    let cluster = try requireCluster()
    try await withShortTemporaryFolder { folder in
        let door = try Door(at: folder.appending(path: "door").path, before: cluster.socket(of: "c1"))
        defer { door.stop() }
        try await withCluster(socket: door.path, limits: limits) { try await body($0, door) }
    }
}
