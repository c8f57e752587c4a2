import Glibc
import LianSystem
import Synchronization

/// A listener on a free TCP port of 127.0.0.1, or at a Unix socket, that hands each connection to a thread of its own. `stop` ends them
/// all and waits for them.
package final class LoopbackListener: Sendable {
    package let port: Int

    private struct State {
        var isStopping = false
        var connections: [Int: Int32] = [:]
        var accepted = 0
        var threads = 0
    }

    private let listening: Int32
    private let state = Mutex(State())

    /// The body speaks on the descriptor, which is closed after it; the number counts connections from 0.
    package convenience init(_ serve: @escaping @Sendable (_ descriptor: Int32, _ number: Int) -> Void) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 128) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        guard result else {
            let error = SystemError("bind")
            close(descriptor)
            throw error
        }
        try self.init(descriptor, port: Int(UInt16(bigEndian: address.sin_port)), serve)
    }

    /// The same at a Unix socket of that path.
    package convenience init(
        path: String, _ serve: @escaping @Sendable (_ descriptor: Int32, _ number: Int) -> Void
    ) throws {
        try self.init(try listenOnUnixSocket(path: path).release(), port: 0, serve)
    }

    private init(_ listening: Int32, port: Int, _ serve: @escaping @Sendable (Int32, Int) -> Void) throws {
        self.listening = listening
        self.port = port
        state.withLock { $0.threads = 1 }
        try startThread { [self] in acceptAll(serve) }
    }

    private func acceptAll(_ serve: @escaping @Sendable (Int32, Int) -> Void) {
        while true {
            let descriptor = accept(listening, nil, nil)
            if descriptor < 0 && errno == EINTR { continue }
            let number: Int? = state.withLock { state in
                guard descriptor >= 0, !state.isStopping else { return nil }
                let number = state.accepted
                state.accepted += 1
                state.connections[number] = descriptor
                state.threads += 1
                return number
            }
            guard let number else {
                if descriptor >= 0 { close(descriptor) }
                break
            }
            let talk: @Sendable () -> Void = { [self] in
                serve(descriptor, number)
                state.withLock { state in
                    state.connections[number] = nil
                    close(descriptor)
                    state.threads -= 1
                }
            }
            do { try startThread(talk) } catch { talk() }
        }
        state.withLock { $0.threads -= 1 }
    }

    /// How many connections were ever taken.
    package var accepted: Int { state.withLock { $0.accepted } }

    /// How many of them are open now.
    package var open: Int { state.withLock { $0.connections.count } }

    package func stop() {
        let wasRunning = state.withLock { state in
            guard !state.isStopping else { return false }
            state.isStopping = true
            for descriptor in state.connections.values { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return true
        }
        guard wasRunning else { return }
        shutdown(listening, Int32(SHUT_RDWR))
        while state.withLock({ $0.threads }) > 0 { usleep(1000) }
        close(listening)
    }
}

/// Sends it all; false where the peer is gone.
package func sendAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
        let count = bytes.withUnsafeBytes {
            send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
    }
    return true
}
