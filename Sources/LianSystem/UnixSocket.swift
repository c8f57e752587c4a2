import Glibc

/// A connection to a Unix socket; a path that starts with @ is abstract.
package func connectUnixSocket(path: String) throws(SystemError) -> FileDescriptor {
    let descriptor = try unixSocket()
    guard try withUnixAddress(path, { Glibc.connect(descriptor.raw, $0, $1) }) == 0 else {
        throw SystemError("connect \(path)")
    }
    return descriptor
}

/// The same to whoever may be slow to take connections, over a descriptor that never blocks. While the listener's queue
/// is full, `mayWait` waits a moment, and says whether to try again.
package func connectUnixSocket(path: String, mayWait: () -> Bool) throws(SystemError) -> FileDescriptor {
    let descriptor = try unixSocket(Int32(SOCK_NONBLOCK.rawValue))
    while try withUnixAddress(path, { Glibc.connect(descriptor.raw, $0, $1) }) != 0 {
        guard errno == EAGAIN, mayWait() else { throw SystemError("connect \(path)") }
    }
    return descriptor
}

package func listenOnUnixSocket(path: String) throws(SystemError) -> FileDescriptor {
    let descriptor = try unixSocket()
    guard try withUnixAddress(path, { Glibc.bind(descriptor.raw, $0, $1) }) == 0 else {
        throw SystemError("bind \(path)")
    }
    guard listen(descriptor.raw, 4) == 0 else { throw SystemError("listen \(path)") }
    return descriptor
}

private func unixSocket(_ flags: Int32 = 0) throws(SystemError) -> FileDescriptor {
    let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | flags, 0)
    guard raw >= 0 else { throw SystemError("socket") }
    return FileDescriptor(owning: raw)
}

private func withUnixAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) throws(SystemError) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
        throw SystemError("Unix socket \(path)", ENAMETOOLONG)
    }
    let isAbstract = bytes[0] == UInt8(ascii: "@")
    if isAbstract { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let size = MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1)
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
    }
}
