import CSSH2
import Glibc
import LianModel

/// libssh2 as a whole.
enum SSHLibrary {
    /// Initialises the library at its first use; a static is initialised once, whoever comes first.
    private static let initialised: Bool = libssh2_init(0) == 0

    static let version: String = libssh2_version(0).map { String(cString: $0) } ?? "of an unknown version"

    /// Since 1.11; before, RSA keys are signed with SHA-1 alone, on both sides.
    static let signsRSAWithSHA2: Bool = libssh2_version(0x01_0B_00) != nil

    static func ensureInitialised() -> Bool { initialised }

    static func canVerify(hostKeyAlgorithm: String) -> Bool {
        switch hostKeyAlgorithm {
        case "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521": true
        case "ssh-rsa": signsRSAWithSHA2
        default: false
        }
    }

    /// Whether libssh2 can decode this key with this passphrase: asked of libssh2 itself, on a session that has no
    /// socket. libssh2 decodes the key before it sends the first byte, so an error in sending means that it was
    /// decoded.
    static func accepts(privateKey: [UInt8], passphrase: String?) -> Bool {
        guard let session = LibrarySession() else { return false }
        session.refuseToSend()
        return session.authenticate(user: "-", publicKeyLine: nil, privateKey: privateKey, passphrase: passphrase)
            == LIBSSH2_ERROR_SOCKET_SEND
    }
}

/// One libssh2 session. Not thread-safe: it belongs to the thread that made it. All calls are non-blocking and answer
/// libssh2's codes.
final class LibrarySession {
    private let session: OpaquePointer
    private let watch: PacketWatch
    private var isEnded = false
    /// How far each channel that is opened from now on may send ahead.
    var sendAhead = SendAhead.unlimited

    init?() {
        guard SSHLibrary.ensureInitialised() else { return nil }
        let watch = PacketWatch()
        // The watch outlives the session, which is freed in deinit below.
        guard
            let session = libssh2_session_init_ex(
                { size, _ in malloc(size) },
                { memory, context in
                    guard let memory else { return }
                    if let watch = context?.pointee { PacketWatch.from(watch).look(at: memory) }
                    free(memory)
                },
                { memory, size, _ in realloc(memory, size) }, watch.context)
        else { return nil }
        self.session = session
        self.watch = watch
        libssh2_session_set_blocking(session, 0)
        let receive: SocketCall = { socket, buffer, count, flags, context in
            let watch = context?.pointee.map(PacketWatch.from)
            // While the server reads nothing, it is answered no more either: what is unsent stays small.
            if watch?.holdsBackReceiving == true || watch?.unsent.isEmpty == false { return -Int(EAGAIN) }
            let received = recv(socket, buffer, count, flags)
            let error = errno == EINTR ? EAGAIN : errno
            if received >= 0 {
                watch?.receivedBytes += received
                return received
            }
            if error != EAGAIN { watch?.receiveError = error }
            return -Int(error)
        }
        libssh2_session_callback_set(
            session, LIBSSH2_CALLBACK_RECV, unsafeBitCast(receive, to: UnsafeMutableRawPointer.self))
        let send: SocketCall = { socket, buffer, count, _, context in
            guard let watch = context?.pointee.map(PacketWatch.from) else { return -Int(EPIPE) }
            return watch.unsent.send(UnsafeRawBufferPointer(start: buffer, count: count), to: socket)
        }
        libssh2_session_callback_set(
            session, LIBSSH2_CALLBACK_SEND, unsafeBitCast(send, to: UnsafeMutableRawPointer.self))
        prefer(LIBSSH2_METHOD_CRYPT_CS, Self.ciphers)
        prefer(LIBSSH2_METHOD_CRYPT_SC, Self.ciphers)
        prefer(LIBSSH2_METHOD_MAC_CS, Self.macs)
        prefer(LIBSSH2_METHOD_MAC_SC, Self.macs)
    }

    deinit {
        end()
    }

    /// The form of LIBSSH2_CALLBACK_RECV and, with a constant buffer, of LIBSSH2_CALLBACK_SEND.
    private typealias SocketCall =
        @convention(c) (
            Int32, UnsafeMutableRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        ) -> Int

    /// Why the kernel would receive no more: libssh2 sees this errno, and keeps it to itself.
    var receiveError: Int32 { watch.receiveError }

    /// How much libssh2 has taken off the network, for whichever channel.
    var receivedBytes: Int { watch.receivedBytes }

    /// Ends the session for good. Its socket must be shut down by now, so that nothing here waits for the network.
    func end() {
        guard !isEnded else { return }
        isEnded = true
        // Each try frees at least one channel; one that cannot be freed is leaked rather than waited for.
        for _ in 0..<1024 where libssh2_session_free(session) != LIBSSH2_ERROR_EAGAIN { return }
    }

    // GCM and etm are for 1.11 and later.
    private static let ciphers = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
    private static let macs =
        "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512"
    private static let hostKeyAlgorithms = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    ]

    /// The algorithms of the keys that can be compared come first, the others after them: a server that has none of
    /// ours shows another key, and the error can name it.
    func preferHostKeys(_ algorithms: [String]) {
        let rsa = SSHLibrary.signsRSAWithSHA2 ? ["ssh-rsa"] : []
        let all = algorithms + (Self.hostKeyAlgorithms + rsa).filter { !algorithms.contains($0) }
        let names = all.flatMap { $0 == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [$0] }
        prefer(LIBSSH2_METHOD_HOSTKEY, names.joined(separator: ","))
    }

    /// Names that this libssh2 does not know are left out here: 1.10 removes them with a memcpy onto itself.
    private func prefer(_ method: Int32, _ names: String) {
        var list: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        let count = libssh2_session_supported_algs(session, method, &list)
        guard count > 0, let list else { return }
        defer { libssh2_free(session, list) }
        let known = (0..<Int(count)).compactMap { list[$0].map { String(cString: $0) } }
        let usable = names.split(separator: ",").map(String.init).filter(known.contains)
        libssh2_session_method_pref(session, method, usable.joined(separator: ","))
    }

    fileprivate func refuseToSend() {
        let refuse: SocketCall = { _, _, _, _, _ in -Int(EPIPE) }
        libssh2_session_callback_set(
            session, LIBSSH2_CALLBACK_SEND, unsafeBitCast(refuse, to: UnsafeMutableRawPointer.self))
    }

    /// Only sends our own first line, so that the server's answer need not wait for `handshake`, which goes on from
    /// there.
    func sendBanner(socket: Int32) {
        watch.holdsBackReceiving = true
        _ = libssh2_session_handshake(session, socket)
        watch.holdsBackReceiving = false
    }

    func handshake(socket: Int32) -> Int32 {
        libssh2_session_handshake(session, socket)
    }

    /// What the server called itself.
    var banner: String? { libssh2_session_banner_get(session).map { String(cString: $0) } }

    var hostKey: SSHPublicKey? {
        var size = 0
        var type: Int32 = 0
        guard let pointer = libssh2_session_hostkey(session, &size, &type) else { return nil }
        return SSHPublicKey(blob: Array(UnsafeRawBufferPointer(start: pointer, count: size)))
    }

    /// Without the public half libssh2 first decodes the private one for it, which for an encrypted key takes long.
    func authenticate(user: String, publicKeyLine: String?, privateKey: [UInt8], passphrase: String?) -> Int32 {
        // Where libssh2 signs it looks for the end with strlen, whatever length it was given.
        (privateKey + [0]).withUnsafeBytes { key in
            libssh2_userauth_publickey_frommemory(
                session, user, user.utf8.count, publicKeyLine, publicKeyLine?.utf8.count ?? 0,
                key.baseAddress?.assumingMemoryBound(to: CChar.self), privateKey.count, passphrase)
        }
    }

    /// The signing closure is called on this thread, within this call.
    func authenticate(user: String, publicKey: [UInt8], sign: ([UInt8]) -> [UInt8]?) -> Int32 {
        withoutActuallyEscaping(sign) { sign in
            withUnsafePointer(to: sign) { pointer in
                var context: UnsafeMutableRawPointer? = UnsafeMutableRawPointer(mutating: pointer)
                return libssh2_userauth_publickey(
                    session, user, publicKey, publicKey.count,
                    { _, signature, size, data, count, context in
                        guard let signature, let size, let data,
                            let sign = context?.pointee?.assumingMemoryBound(to: (([UInt8]) -> [UInt8]?).self).pointee,
                            let bytes = sign(Array(UnsafeBufferPointer(start: data, count: count)))
                        else { return -1 }
                        // libssh2 frees the copy by the session's own function, which is free(3).
                        guard let copy = malloc(bytes.count) else { return -1 }
                        memcpy(copy, bytes, bytes.count)
                        signature.pointee = copy.assumingMemoryBound(to: UInt8.self)
                        size.pointee = bytes.count
                        return 0
                    }, &context)
            }
        }
    }

    var isAuthenticated: Bool { libssh2_userauth_authenticated(session) == 1 }

    /// The methods that the server would take; nil while it has not answered, or when it never will.
    func allowedMethods(user: String) -> String? {
        libssh2_userauth_list(session, user, UInt32(user.utf8.count)).map { String(cString: $0) }
    }

    var lastError: Int32 { libssh2_session_last_errno(session) }

    var lastErrorText: String {
        var text: UnsafeMutablePointer<CChar>?
        libssh2_session_last_error(session, &text, nil, 0)
        return text.map { String(cString: $0) } ?? ""
    }

    /// Some of what libssh2 sent waits until the socket takes it: nothing else is to be asked of libssh2 before.
    var hasUnsent: Bool { !watch.unsent.isEmpty }

    /// Sends more of what is unsent; false where the connection is gone.
    func sendUnsent() -> Bool {
        watch.unsent.flush()
        return watch.unsent.error == 0
    }

    func disconnect() -> Int32 {
        libssh2_session_disconnect_ex(session, SSH_DISCONNECT_BY_APPLICATION, "done", "")
    }

    /// Nil with `lastError` set, EAGAIN among them.
    func openChannel() -> LibraryChannel? {
        guard
            let channel = libssh2_channel_open_ex(
                session, "session", 7, LibraryChannel.window, LibraryChannel.packet, nil, 0)
        else { return nil }
        return LibraryChannel(channel, number: watch.lastOpened, session: self)
    }

    fileprivate func exitStatusArrived(channel number: UInt32?) -> Bool {
        number.map(watch.withExitStatus.contains) ?? false
    }

    fileprivate func releaseText(_ text: UnsafeMutablePointer<CChar>) {
        libssh2_free(session, text)
    }
}

/// One channel of a session, on the session's thread. The channel or its session must be freed before this is let go.
final class LibraryChannel {
    /// A smaller window makes receiving three to seven times slower.
    static let window: UInt32 = 2 << 20
    static let packet: UInt32 = 32768

    private let channel: OpaquePointer
    private let number: UInt32?
    private unowned let session: LibrarySession
    private var ahead: SendAhead
    /// How much the other side takes unread: the largest window that was seen.
    private var wholeWindow = 0
    /// The count of bytes in the call that libssh2 wants again: libssh2 may have settled on that count.
    private var postponed: Int?

    enum Stream: Int32 {
        case output = 0
        case error = 1
    }

    fileprivate init(_ channel: OpaquePointer, number: UInt32?, session: LibrarySession) {
        self.channel = channel
        self.number = number
        self.session = session
        ahead = session.sendAhead
    }

    func start(_ command: String) -> Int32 {
        libssh2_channel_process_startup(channel, "exec", 4, command, UInt32(command.utf8.count))
    }

    func read(_ stream: Stream, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        libssh2_channel_read_ex(
            channel, stream.rawValue, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        let room = postponed ?? roomAhead()
        guard room > 0 else { return Int(LIBSSH2_ERROR_EAGAIN) }
        let count = min(room, bytes.count)
        // There are fewer bytes than in the postponed call only where the other side closed the channel.
        guard count >= postponed ?? 0 else { return Int(LIBSSH2_ERROR_CHANNEL_CLOSED) }
        let code = libssh2_channel_write_ex(
            channel, 0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), count)
        postponed = code == Int(LIBSSH2_ERROR_EAGAIN) ? count : nil
        if code > 0 { ahead.didSend(code) }
        return code
    }

    private func roomAhead() -> Int {
        let window = Int(libssh2_channel_window_write_ex(channel, nil))
        wholeWindow = max(wholeWindow, window)
        return ahead.room(unread: wholeWindow - window)
    }

    func sendEnd() -> Int32 { libssh2_channel_send_eof(channel) }

    /// The other side sends no more and all that it sent was read.
    var isAtEnd: Bool { libssh2_channel_eof(channel) == 1 }

    /// Takes in what the network holds, for every channel, and sends nothing of our own. Zero means that the other side
    /// has closed this channel and has no more to say.
    func takeIn() -> Int32 {
        let result = libssh2_channel_wait_eof(channel)
        return result == 0 ? libssh2_channel_wait_closed(channel) : result
    }

    func close() -> Int32 { libssh2_channel_close(channel) }

    func free() -> Int32 { libssh2_channel_free(channel) }

    /// Nil where none was sent: libssh2 itself answers 0 then.
    var exitStatus: Int32? {
        session.exitStatusArrived(channel: number) ? libssh2_channel_get_exit_status(channel) : nil
    }

    var exitSignal: String? {
        var name: UnsafeMutablePointer<CChar>?
        libssh2_channel_get_exit_signal(channel, &name, nil, nil, nil, nil, nil)
        guard let name else { return nil }
        defer { session.releaseText(name) }
        return String(cString: name)
    }
}
