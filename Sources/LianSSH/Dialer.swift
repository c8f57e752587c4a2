import CLinux
import Glibc
import LianModel
import LianSystem
import Synchronization

/// Why an attempt to connect came to nothing.
enum AttemptFailure: Error {
    /// A failure that is usual while a machine boots: another attempt may succeed.
    case notYet(String)
    case final(LianError)
    /// Given up on this side.
    case stopped
}

/// Waits for a descriptor on the thread of a connection that is being set up.
struct SetupWait {
    let link: SessionLink

    /// False where the time ran out first.
    func wait(for events: Int32, on descriptor: Int32, until end: ContinuousClock.Instant) throws(AttemptFailure)
        -> Bool
    {
        switch link.aborter.wait(for: events, on: descriptor, until: end) {
        case .ready: return true
        case .timedOut: return false
        case .woken: throw .stopped
        }
    }

    func pause(until end: ContinuousClock.Instant) throws(AttemptFailure) {
        _ = try wait(for: 0, on: -1, until: end)
    }
}

/// Makes TCP connections to one endpoint.
struct Dialer {
    let endpoint: SSHEndpoint
    let waiting: SetupWait

    /// How long, in milliseconds, a peer may be silent while data of ours is under way.
    private static let deadPeerLimit: Int32 = 30_000
    private static let unsentLimit: Int32 = 256 << 10

    /// Tries every address of the host in turn.
    func connect(until end: ContinuousClock.Instant, patience: Duration) throws(AttemptFailure) -> FileDescriptor {
        let addresses = try resolve(until: end)
        var failure = "the name has no address"
        for address in addresses {
            do {
                return try connect(to: address, until: min(end, .now + patience))
            } catch {
                guard case .notYet(let reason) = error else { throw error }
                failure = reason
            }
        }
        throw .notYet(failure)
    }

    private func connect(to address: Address, until end: ContinuousClock.Instant) throws(AttemptFailure)
        -> FileDescriptor
    {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let raw = socket(address.family, flags, 0)
        guard raw >= 0 else { throw .notYet(SystemError("socket").description) }
        let descriptor = FileDescriptor(owning: raw)
        Self.configure(raw)
        let result = address.bytes.withUnsafeBytes { bytes in
            Glibc.connect(raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        if result != 0 {
            guard errno == EINPROGRESS else { throw .notYet(String(cString: strerror(errno))) }
            guard try waiting.wait(for: POLLOUT, on: raw, until: end) else { throw .notYet("no answer") }
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &size)
            guard error == 0 else { throw .notYet(String(cString: strerror(error))) }
        }
        return descriptor
    }

    private static func configure(_ socket: Int32) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        let tcp = Int32(IPPROTO_TCP)
        set(tcp, TCP_NODELAY, 1)
        // While the socket takes no more, libssh2 cannot read either: on a slow link a full send buffer would keep every
        // other channel waiting for seconds.
        set(tcp, TCP_NOTSENT_LOWAT, unsentLimit)
        // libssh2's own keepalive never tells of a dead peer; the kernel's does.
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(tcp, TCP_KEEPIDLE, 10)
        set(tcp, TCP_KEEPINTVL, 5)
        set(tcp, TCP_KEEPCNT, 4)
        set(tcp, TCP_USER_TIMEOUT, deadPeerLimit)
    }

    private struct Address: Sendable {
        let family: Int32
        let bytes: [UInt8]
    }

    /// The system's resolver blocks and cannot be cancelled, so it has a thread of its own that may outlive the wait.
    private func resolve(until end: ContinuousClock.Instant) throws(AttemptFailure) -> [Address] {
        let host = endpoint.host
        let port = endpoint.port
        if let literal = try? Self.lookUp(host, port, flags: AI_NUMERICHOST).get() { return literal }
        let answer = ResolverAnswer()
        let waker: Waker
        do {
            waker = try Waker()
            try startThread { [waker] in
                answer.result.withLock { $0 = Self.lookUp(host, port, flags: 0) }
                waker.wake()
            }
        } catch {
            throw .notYet(error.description)
        }
        guard try waiting.wait(for: POLLIN, on: waker.descriptor, until: end) else {
            throw .notYet("its name is not resolved yet")
        }
        switch answer.result.withLock({ $0 }) {
        case .success(let addresses)?: return addresses
        case .failure(let failure)?: throw .notYet("its name does not resolve: \(failure.reason)")
        case nil: throw .notYet("its name is not resolved yet")
        }
    }

    private struct LookUpFailure: Error {
        let reason: String
    }

    private final class ResolverAnswer: Sendable {
        let result = Mutex<Result<[Address], LookUpFailure>?>(nil)
    }

    private static func lookUp(_ host: String, _ port: Int, flags: Int32) -> Result<[Address], LookUpFailure> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        defer { freeaddrinfo(list) }
        guard code == 0 else { return .failure(LookUpFailure(reason: String(cString: gai_strerror(code)))) }
        var addresses: [Address] = []
        var next = list
        while let info = next?.pointee {
            let bytes = UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen))
            addresses.append(Address(family: info.ai_family, bytes: Array(bytes)))
            next = info.ai_next
        }
        return .success(addresses)
    }
}

/// The round trip that the kernel measured on the connection's first two packets.
func roundTrip(of socket: Int32) -> Duration {
    .microseconds(max(0, lian_round_trip(socket)))
}

/// Has the kernel acknowledge at once what came. The kernel leaves this mode by itself, so it is asked again after
/// everything that came: a delayed acknowledgement costs 40 ms wherever the other side waits for it before it sends on.
func acknowledgeAtOnce(_ socket: Int32) {
    var yes: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_QUICKACK, &yes, socklen_t(MemoryLayout<Int32>.size))
}
