import Glibc
import LianModel
import LianSystem

/// The line with which an sshd greets, at an address in digits; nil where none comes within the limit.
func sshBanner(host: String, port: Int, within limit: Duration) -> String? {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0, let found else { return nil }
    defer { freeaddrinfo(found) }
    let raw = socket(found.pointee.ai_family, found.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return nil }
    let descriptor = FileDescriptor(owning: raw)
    // The first bounds the connecting too.
    var time = timeval(tv_sec: max(1, limit.milliseconds / 1000), tv_usec: 0)
    for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
        setsockopt(descriptor.raw, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
    guard connect(descriptor.raw, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else { return nil }
    let end = ContinuousClock.now + limit
    var line: [UInt8] = []
    // As long as the line may be by the protocol.
    while line.count < 255, line.last != UInt8(ascii: "\n"), ContinuousClock.now < end {
        var buffer = [UInt8](repeating: 0, count: 255 - line.count)
        let count = recv(descriptor.raw, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        line += buffer.prefix(count)
        if let end = line.firstIndex(of: UInt8(ascii: "\n")) { line = Array(line[...end]) }
    }
    let text = String(decoding: line, as: UTF8.self)
    return text.hasPrefix("SSH-") ? text.trimmingLineEnd() : nil
}

/// Whether an sshd answers at the address, which is one in digits, within the limit.
func answersAsSSH(host: String, port: Int, within limit: Duration) -> Bool {
    sshBanner(host: host, port: port, within: limit) != nil
}
