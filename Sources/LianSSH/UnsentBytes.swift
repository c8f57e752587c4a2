import Glibc

/// What libssh2 has sent and the socket has not taken yet.
///
/// libssh2 would hold the rest of such a packet itself, and want the very call again that left it, with the same
/// arguments, before any other call that sends. Not all of these calls are ours: it answers a server's requests
/// wherever it reads, and takes an answer or an end of file from its stack, which is elsewhere the next time. So it is
/// told that the socket took everything, and is not called again before that is true.
struct UnsentBytes {
    private var bytes: [UInt8] = []
    private var sent = 0
    private var socket: Int32 = -1
    /// Why the socket takes no more, ever.
    private(set) var error: Int32 = 0

    var isEmpty: Bool { sent == bytes.count }

    /// Takes the place of send(2): takes all of the bytes, unless the connection is gone.
    mutating func send(_ more: UnsafeRawBufferPointer, to socket: Int32) -> Int {
        self.socket = socket
        flush()
        let count = isEmpty ? took(sendNow(more)) : 0
        guard error == 0 else { return -Int(error) }
        bytes += more[count...]
        return more.count
    }

    /// Sends as much as the socket takes.
    mutating func flush() {
        guard !isEmpty else { return }
        sent += took(bytes.withUnsafeBytes { sendNow(UnsafeRawBufferPointer(rebasing: $0[sent...])) })
        guard isEmpty || error != 0 else { return }
        bytes.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// How much the socket took, or the negative errno.
    private func sendNow(_ buffer: UnsafeRawBufferPointer) -> Int {
        let count = Glibc.send(socket, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        return count < 0 ? -Int(errno) : count
    }

    private mutating func took(_ count: Int) -> Int {
        if count < 0, count != -Int(EAGAIN), count != -Int(EINTR) { error = Int32(-count) }
        return max(count, 0)
    }
}
