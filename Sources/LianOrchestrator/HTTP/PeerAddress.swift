import Glibc

/// Who is at the other end of a connection, as the limits count: an IPv4 address, or the /64 network of an IPv6 address,
/// since whoever has one address of such a network can have all of them.
struct PeerAddress: Hashable, Sendable {
    private let family: sa_family_t
    private let network: UInt64

    /// Of a connected socket. All that are connected by something other than IP are one peer.
    init(ofSocket descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        self = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = getpeername(descriptor, address, &length)
                return PeerAddress(address)
            }
        }
    }

    init(_ address: UnsafePointer<sockaddr>) {
        let bytes = UnsafeRawPointer(address)
        // Both families have theirs in the same place.
        switch Int32(bytes.loadUnaligned(as: sockaddr_in.self).sin_family) {
        case AF_INET:
            let host = bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr
            self.init(family: sa_family_t(AF_INET), network: UInt64(UInt32(bigEndian: host)))
        case AF_INET6:
            let host = withUnsafeBytes(of: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
            if host.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] {
                self.init(family: sa_family_t(AF_INET), network: Self.number(host[12...]))
            } else {
                self.init(family: sa_family_t(AF_INET6), network: Self.number(host[..<8]))
            }
        default:
            self.init(family: 0, network: 0)
        }
    }

    private init(family: sa_family_t, network: UInt64) {
        self.family = family
        self.network = network
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
