import Glibc
import LianSystem

/// Whether an sshd answers at the address, which is one in digits, within the limit.
func answersAsSSH(host: String, port: Int, within limit: Duration) -> Bool {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0, let found else { return false }
    defer { freeaddrinfo(found) }
    let raw = socket(found.pointee.ai_family, found.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return false }
    let descriptor = FileDescriptor(owning: raw)
    // The first bounds the connecting too.
    var time = timeval(tv_sec: max(1, limit.milliseconds / 1000), tv_usec: 0)
    for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
        setsockopt(descriptor.raw, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
    guard connect(descriptor.raw, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else { return false }
    var start = [UInt8](repeating: 0, count: 4)
    return recv(descriptor.raw, &start, start.count, Int32(MSG_WAITALL)) == start.count
        && start == Array("SSH-".utf8)
}
