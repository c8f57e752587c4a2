import Foundation
import Glibc
import LianModel
import LianSystem

/// What a server answered.
package struct PlainHTTPResponse: Sendable {
    package let status: Int
    /// Names in small letters.
    package let headers: [String: String]
    package let body: [UInt8]

    package var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
}

/// One HTTP/1.1 connection to loopback, in plain sight: it sends the very bytes that it is given, so that a test can
/// send what no client would. It blocks; `exchange` does its work on a thread of its own.
package struct PlainHTTPConnection: ~Copyable {
    private let descriptor: FileDescriptor

    package init(port: Int, timeout: Duration = .seconds(60)) throws {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SystemError("socket") }
        let connection = FileDescriptor(owning: raw)
        var limit = timeval(tv_sec: Int(timeout.components.seconds), tv_usec: 0)
        setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let address = loopbackAddress(port: port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let connected = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(raw, $0, size) }
        }
        guard connected == 0 else { throw SystemError("connect 127.0.0.1:\(port)") }
        descriptor = connection
    }

    package static func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
    ) -> [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\n"
        if headers["host"] == nil { head += "Host: 127.0.0.1\r\n" }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { head += "\(name): \(value)\r\n" }
        if !body.isEmpty { head += "Content-Length: \(body.count)\r\n" }
        return Array((head + "\r\n").utf8) + body
    }

    package func send(_ bytes: [UInt8]) -> Bool { sendAll(bytes, to: descriptor.raw) }

    /// The next answer; nil where the server closed the connection instead. The answer to HEAD has no body.
    package func receive(afterHEAD: Bool = false) throws -> PlainHTTPResponse? {
        var bytes: [UInt8] = []
        let blank = Array("\r\n\r\n".utf8)
        while true {
            if let end = bytes.firstRange(of: blank) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                let words = head[0].split(separator: " ")
                guard words.count > 1, let status = Int(words[1]) else {
                    throw FixtureError("no status line: \(head[0])")
                }
                var headers: [String: String] = [:]
                for line in head.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 {
                        headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                    }
                }
                let start = end.upperBound
                if headers["transfer-encoding"] == "chunked" {
                    return PlainHTTPResponse(
                        status: status, headers: headers, body: try chunkedBody(&bytes, from: start))
                }
                let length = afterHEAD ? 0 : Int(headers["content-length"] ?? "0") ?? 0
                while bytes.count < start + length {
                    guard try more(&bytes) else { throw FixtureError("the body is cut short") }
                }
                return PlainHTTPResponse(
                    status: status, headers: headers, body: Array(bytes[start..<start + length]))
            }
            guard try more(&bytes) else {
                guard bytes.isEmpty else { throw FixtureError("the head is cut short") }
                return nil
            }
        }
    }

    /// A body that comes in pieces, each behind a line with its length.
    private func chunkedBody(_ bytes: inout [UInt8], from start: Int) throws -> [UInt8] {
        func wait(for condition: ([UInt8]) -> Bool) throws {
            while !condition(bytes) {
                guard try more(&bytes) else { throw FixtureError("the body is cut short") }
            }
        }
        var (body, position): ([UInt8], Int) = ([], start)
        while true {
            try wait { $0[position...].contains(UInt8(ascii: "\n")) }
            let line = bytes[position...].prefix { $0 != UInt8(ascii: "\r") }
            guard let length = Int(String(decoding: line, as: UTF8.self), radix: 16) else {
                throw FixtureError("a piece of the body has no length")
            }
            let piece = line.endIndex + 2
            try wait { $0.count >= piece + length + 2 }
            if length == 0 { return body }
            body += bytes[piece..<piece + length]
            position = piece + length + 2
        }
    }

    private func more(_ bytes: inout [UInt8]) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor.raw, &buffer, buffer.count, 0)
        if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
        if count < 0 && errno != ECONNRESET { throw SystemError("recv") }
        return count > 0
    }
}

/// One request on a connection of its own.
package func exchange(
    port: Int, _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
) async throws -> PlainHTTPResponse {
    let result: Result<PlainHTTPResponse?, any Error> = await onOwnThread {
        Result {
            let connection = try PlainHTTPConnection(port: port)
            _ = connection.send(PlainHTTPConnection.request(method, target, headers: headers, body: body))
            return try connection.receive(afterHEAD: method == "HEAD")
        }
    }
    guard let response = try result.get() else { throw FixtureError("no answer") }
    return response
}

/// A connection that a test asks on more than once.
package final class KeptConnection: Sendable {
    private let connection: PlainHTTPConnection

    package init(_ connection: consuming PlainHTTPConnection) {
        self.connection = connection
    }

    package func send(_ bytes: [UInt8]) async -> Bool { await onOwnThread { self.connection.send(bytes) } }

    /// nil where the server has closed it instead.
    package func ask(_ request: [UInt8]) async throws -> PlainHTTPResponse? {
        try await onOwnThread {
            Result {
                _ = self.connection.send(request)
                return try self.connection.receive()
            }
        }.get()
    }
}
