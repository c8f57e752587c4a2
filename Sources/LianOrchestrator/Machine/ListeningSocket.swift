import Glibc
import LianModel
import LianSystem

/// Where to listen: a numeric address of this machine, and a port, where 0 stands for any free one.
package struct ListenAddress: Equatable, Sendable {
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:9011`, `[::1]:9011`.
    package init?(_ text: String) {
        guard TextRule.listenAddress.holds(text), let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        let host = text[..<colon].drop { $0 == "[" }.prefix { $0 != "]" }
        self.host = String(host)
        self.port = port
    }

    package var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Opens a socket that listens at this address.
    package func open() throws(SystemError) -> ListeningSocket {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let info = found else {
            throw SystemError("listen at \(text)", EADDRNOTAVAIL)
        }
        defer { freeaddrinfo(found) }
        let raw = socket(
            info.pointee.ai_family, info.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard raw >= 0 else { throw SystemError("listen at \(text)") }
        let descriptor = FileDescriptor(owning: raw)
        var on: Int32 = 1
        setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(raw, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, listen(raw, 512) == 0 else {
            throw SystemError("listen at \(text)")
        }
        return ListeningSocket(
            descriptor: descriptor, address: ListenAddress(host: host, port: boundPort(of: raw)))
    }
}

package struct ListeningSocket: ~Copyable {
    private let descriptor: FileDescriptor
    /// The address with the port that was really taken.
    package let address: ListenAddress

    fileprivate init(descriptor: consuming FileDescriptor, address: ListenAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    package consuming func takeDescriptor() -> FileDescriptor { descriptor }
}

/// The local port of a bound socket.
private func boundPort(of descriptor: Int32) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        // Both address families have the port in the same place.
        return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
    }
}
