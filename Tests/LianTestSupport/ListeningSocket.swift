import Glibc
import LianSystem

/// A listening TCP socket of loopback.
package final class ListeningSocket: Sendable {
    package let port: Int
    package let descriptor: Int32

    package init(port wanted: Int) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw SystemError("socket") }
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = loopbackAddress(port: wanted)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
        }
        guard bound == 0, listen(listener, 128) == 0 else {
            let error = SystemError("bind 127.0.0.1:\(wanted)")
            close(listener)
            throw error
        }
        var actual = size
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &actual) }
        }
        descriptor = listener
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit {
        close(descriptor)
    }

    /// For the connections from now on: small segments and a small window, for which the other side's kernel keeps a
    /// small buffer too.
    func keepBuffersSmall() {
        var segment: Int32 = 536
        var buffer: Int32 = 16 << 10
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, &segment, size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, size)
    }
}

package func loopbackAddress(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    return address
}

/// Accepts connections and says one thing to each of them: what a port says that has no sshd behind it.
package final class ScriptedListener: Sendable {
    package let port: Int

    /// Keeps each connection open after the words, or closes it.
    package init(saying words: String, closes: Bool = false) throws {
        let listener = try ListeningSocket(port: 0)
        port = listener.port
        self.listener = listener
        try startThread {
            var open: [Int32] = []
            while true {
                let connection = accept(listener.descriptor, nil, nil)
                guard connection >= 0 else { break }
                let bytes = Array(words.utf8)
                if !bytes.isEmpty { send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
                if closes { close(connection) } else { open.append(connection) }
            }
            for connection in open { close(connection) }
        }
    }

    private let listener: ListeningSocket

    /// Ends its thread, which holds the listener.
    package func stop() {
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
    }
}
