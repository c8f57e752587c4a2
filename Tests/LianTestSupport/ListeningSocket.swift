import Glibc
import LianSystem
import Synchronization

/// A port of loopback that is this test's for as long as the object lives, also while nobody listens there: whoever asks
/// for any free port, for a listener or for the own end of a connection, is given another. Without a listener it refuses.
package final class HeldPort: Sendable {
    package let number: Int
    private let descriptor: Int32

    package init() throws {
        (descriptor, number) = try boundSocket(port: 0)
    }

    deinit {
        close(descriptor)
    }
}

/// A port of loopback that refuses connections for as long as these tests run.
package func refusingPort() throws -> Int {
    let port = try HeldPort()
    refusingPorts.withLock { $0.append(port) }
    return port.number
}

private let refusingPorts = Mutex<[HeldPort]>([])

/// A listening TCP socket of loopback.
package final class ListeningSocket: Sendable {
    package let port: Int
    package let descriptor: Int32

    /// At any free port, or at one that is held.
    package init(port wanted: Int) throws {
        let (listener, actual) = try boundSocket(port: wanted)
        guard listen(listener, 128) == 0 else {
            let error = SystemError("listen at 127.0.0.1:\(actual)")
            close(listener)
            throw error
        }
        descriptor = listener
        port = actual
    }

    deinit {
        // A process that another test is just starting may have a copy until it executes its program.
        shutdown(descriptor, Int32(SHUT_RDWR))
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

/// Any number of one user's sockets may have a port that was named, but for port 0 each is given one that nobody has.
private func boundSocket(port wanted: Int) throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError("socket") }
    var yes: Int32 = 1
    for option in [SO_REUSEADDR, SO_REUSEPORT] {
        setsockopt(descriptor, SOL_SOCKET, option, &yes, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = loopbackAddress(port: wanted)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, size) == 0 && getsockname(descriptor, address, &size) == 0
        }
    }
    guard isBound else {
        let error = SystemError("bind 127.0.0.1:\(wanted)")
        close(descriptor)
        throw error
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
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

    /// How many connections were taken.
    package var accepted: Int { taken.count.load(ordering: .relaxed) }

    private final class Taken: Sendable {
        let count = Atomic(0)
    }

    private let taken = Taken()

    /// Keeps each connection open after the words, or closes it.
    package init(saying words: String, closes: Bool = false) throws {
        let listener = try ListeningSocket(port: 0)
        port = listener.port
        self.listener = listener
        try startThread { [taken] in
            var open: [Int32] = []
            while true {
                let connection = accept(listener.descriptor, nil, nil)
                guard connection >= 0 else { break }
                taken.count.add(1, ordering: .relaxed)
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
