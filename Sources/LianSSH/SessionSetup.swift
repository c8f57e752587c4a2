import CLinux
import CSSH2
import Glibc
import LianModel
import LianSystem

/// From nothing to an authenticated session: on the thread that will own it, with calls that wait.
struct SessionSetup: Sendable {
    let endpoint: SSHEndpoint
    let key: SSHKey
    let trusted: TrustedKeys
    let deadline: ContinuousClock.Instant
    let retries: Bool
    let limits: SSHLimits
    let link: SessionLink
    let onAnswer: @Sendable (Duration) -> Void

    // A refused attempt costs nothing, so the next one follows closely; it is the port's opening that is waited for.
    private static let firstPause: Duration = .milliseconds(10)
    private static let longestPause: Duration = .milliseconds(100)
    // A machine without a network yet swallows the attempt; a new one is heard sooner than the kernel's repetition.
    // Every fourth is given the time that a far machine may need.
    private static let shortPatience: Duration = .milliseconds(500)
    private static let longPatience: Duration = .seconds(3)

    private var waiting: SetupWait { SetupWait(link: link) }

    func runAndServe(_ continuation: CheckedContinuation<Void, any Error>) {
        // Signals are for other threads, and a write to a pipe that nobody reads must not end the process.
        var every = sigset_t()
        sigfillset(&every)
        pthread_sigmask(SIG_BLOCK, &every, nil)
        let loop: SessionLoop
        do {
            loop = try connect()
        } catch {
            switch error {
            case .final(let error): continuation.resume(throwing: error)
            case .stopped: continuation.resume(throwing: CancellationError())
            case .notYet(let reason): continuation.resume(throwing: unreachable(reason))
            }
            return
        }
        continuation.resume()
        loop.serve()
    }

    private func connect() throws(AttemptFailure) -> SessionLoop {
        var pause = Self.firstPause
        var attempt = 0
        var lastReason: String?
        while true {
            attempt += 1
            let isLong = !retries || attempt.isMultiple(of: 4)
            do {
                return try connectOnce(patience: isLong ? Self.longPatience : Self.shortPatience)
            } catch {
                guard case .notYet(let reason) = error, retries else { throw error }
                // An attempt that the deadline cut short tells less than the one before it.
                guard .now < deadline else { throw .notYet(lastReason ?? reason) }
                guard .now + pause < deadline else { throw error }
                lastReason = reason
            }
            try waiting.pause(until: .now + pause)
            pause = min(pause * 3 / 2, Self.longestPause)
        }
    }

    private func connectOnce(patience: Duration) throws(AttemptFailure) -> SessionLoop {
        let socket = try Dialer(endpoint: endpoint, waiting: waiting).connect(until: deadline, patience: patience)
        acknowledgeAtOnce(socket.raw)
        guard let session = LibrarySession() else {
            throw .final(
                LianError(
                    .internalError, .connect, "libssh2 could not start a session",
                    hint: "Check the memory that is left."
                ))
        }
        session.preferHostKeys(trusted.algorithms)
        session.sendBanner(socket: socket.raw)
        try BannerCheck(waiting: waiting, endpoint: endpoint).wait(
            on: socket.raw, until: min(deadline, .now + limits.banner))
        let conversation = Conversation(
            session: session, socket: socket.raw, waiting: waiting, endpoint: endpoint,
            end: min(deadline, .now + limits.handshake))
        do {
            let lastAnswer = try conversation.exchangeKeys(trusted)
            // The kernel knows the round trip only as far as the first proxy or tunnel.
            let distance = max(roundTrip(of: socket.raw), lastAnswer)
            session.sendAhead = SendAhead(serverBanner: session.banner, roundTrip: distance)
            onAnswer(distance)
            try conversation.authenticate(key, link: link)
        } catch {
            shutdown(socket.raw, Int32(SHUT_RDWR))
            session.end()
            throw error
        }
        return SessionLoop(link: link, session: session, socket: socket, endpoint: endpoint)
    }

    private func unreachable(_ reason: String) -> LianError {
        LianError(
            .sshUnreachable, .connect, "the runner at \(endpoint) does not answer SSH: \(reason)",
            hint: "Check that sshd runs there and that the port is open from here"
                + (retries ? "; a slow machine may need a longer --spawn-timeout." : "."))
    }
}

/// Waits for the server's first line before libssh2 does, which would wait for ever for one that never comes.
private struct BannerCheck {
    let waiting: SetupWait
    let endpoint: SSHEndpoint

    /// A server may send other lines before that one; no real server sends many.
    private static let lineLimit = 16
    private static let lengthLimit = 1024

    /// Returns with the line unread, for libssh2.
    func wait(on socket: Int32, until end: ContinuousClock.Instant) throws(AttemptFailure) {
        var heard: [String] = []
        while heard.count < Self.lineLimit {
            let line = try peekLine(socket, until: end, heard: heard)
            acknowledgeAtOnce(socket)
            if line.starts(with: "SSH-".utf8) {
                guard line.starts(with: "SSH-2.0-".utf8) || line.starts(with: "SSH-1.99-".utf8) else {
                    throw notSSH([readable(line)])
                }
                return
            }
            guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 || $0 == 10 || $0 == 13 }) else {
                throw notSSH([readable(line)])
            }
            var taken = [UInt8](repeating: 0, count: line.count)
            recv(socket, &taken, taken.count, 0)
            heard.append(readable(line))
        }
        throw notSSH(heard)
    }

    private func peekLine(_ socket: Int32, until end: ContinuousClock.Instant, heard: [String]) throws(AttemptFailure)
        -> [UInt8]
    {
        var buffer = [UInt8](repeating: 0, count: Self.lengthLimit)
        var known = 0
        while true {
            // Else a line that comes in pieces would keep poll from waiting for its rest.
            var awaited = Int32(known + 1)
            setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &awaited, socklen_t(MemoryLayout<Int32>.size))
            defer {
                var one: Int32 = 1
                setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &one, socklen_t(MemoryLayout<Int32>.size))
            }
            guard try waiting.wait(for: POLLIN, on: socket, until: end) else {
                throw .notYet(
                    heard.isEmpty && known == 0
                        ? "it accepts connections but says nothing"
                        : "it said no SSH banner but \(quoted(heard, buffer[..<known]))")
            }
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_PEEK))
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            guard count > known else {
                throw .notYet(
                    heard.isEmpty && known == 0
                        ? "it closes the connection before its banner"
                        : "it closes the connection after saying \(quoted(heard, buffer[..<known]))")
            }
            known = count
            if let newline = buffer[..<known].firstIndex(of: 10) { return Array(buffer[...newline]) }
            guard known < buffer.count else { throw notSSH(heard + [readable(buffer.prefix(60))]) }
        }
    }

    private func notSSH(_ heard: [String]) -> AttemptFailure {
        .final(
            LianError(
                .sshUnreachable, .connect,
                "what answers at \(endpoint) is not an SSH 2 server: it says \(quoted(heard, []))",
                hint: "Check the address and the port of the runner."))
    }

    private func quoted(_ heard: [String], _ rest: ArraySlice<UInt8>) -> String {
        "\"\((heard + (rest.isEmpty ? [] : [readable(rest)])).prefix(3).joined(separator: " "))\""
    }

    private func readable(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: bytes.prefix(80).map { $0 >= 0x20 && $0 < 0x7F ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
            .trimmingSuffix("?")
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return text
    }
}

/// The part of the set-up that libssh2 speaks.
private struct Conversation {
    let session: LibrarySession
    let socket: Int32
    let waiting: SetupWait
    let endpoint: SSHEndpoint
    let end: ContinuousClock.Instant

    /// Returns how long the last answer took: libssh2 asks for the service at its end, which takes the server no time.
    func exchangeKeys(_ trusted: TrustedKeys) throws(AttemptFailure) -> Duration {
        var lastAnswer = Duration.zero
        let code = try repeated("the key exchange", { session.handshake(socket: socket) }, waited: { lastAnswer = $0 })
        guard code == 0 else {
            throw keyExchangeFailure(code)
        }
        guard let shown = session.hostKey else {
            throw .final(
                LianError(
                    .hostKeyMismatch, .connect, "the runner at \(endpoint) shows no host key",
                    hint: "Do not use this runner; nothing was sent to it."))
        }
        do { try trusted.check(shown, endpoint: endpoint) } catch { throw .final(error) }
        return lastAnswer
    }

    private func keyExchangeFailure(_ code: Int32) -> AttemptFailure {
        if isLoss(code) { return .notYet("it closes the connection during the key exchange") }
        let what = "\(session.lastErrorText) (\(code))"
        switch code {
        case LIBSSH2_ERROR_KEX_FAILURE, LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE, LIBSSH2_ERROR_METHOD_NONE:
            return .final(
                LianError(
                    .sshUnreachable, .connect,
                    "the runner at \(endpoint) (\(session.banner ?? "no banner")) and libssh2 \(SSHLibrary.version) "
                        + "share no algorithms: \(what)",
                    hint: SSHLibrary.signsRSAWithSHA2
                        ? "Let its sshd_config allow the default algorithms."
                        : "Give the runner an ed25519 host key (ssh-keygen -A): libssh2 before 1.11 cannot verify RSA "
                            + "host keys; and let its sshd_config allow aes256-ctr and hmac-sha2-256."))
        case LIBSSH2_ERROR_HOSTKEY_SIGN, LIBSSH2_ERROR_HOSTKEY_INIT:
            return .final(
                LianError(
                    .hostKeyMismatch, .connect, "the runner at \(endpoint) cannot prove its host key: \(what)",
                    hint: "Something else may be answering at that address; nothing was sent to it."))
        default:
            return .final(
                LianError(
                    .sshUnreachable, .connect, "the key exchange with the runner at \(endpoint) failed: \(what)",
                    hint: "Look into the log of its sshd."))
        }
    }

    func authenticate(_ key: SSHKey, link: SessionLink) throws(AttemptFailure) {
        var agentFailure: String?
        let code: Int32
        switch key.signer {
        case .memory(let text, let passphrase):
            code = try repeated("the authentication") {
                session.authenticate(
                    user: endpoint.user, publicKeyLine: key.publicKeyLine, privateKey: text, passphrase: passphrase)
            }
        case .agent(let socketPath):
            code = try repeated("the authentication") {
                session.authenticate(user: endpoint.user, publicKey: key.publicKey.blob) { data in
                    do throws(AgentClient.Failure) {
                        // An agent may ask a person to confirm.
                        return try AgentClient(socketPath: socketPath, canceller: link.aborter, limit: end - .now)
                            .sign(data, with: key.publicKey.blob)
                    } catch {
                        agentFailure = error.reason
                        return nil
                    }
                }
            }
        }
        if code == 0, session.isAuthenticated { return }
        if link.isAborted { throw .stopped }
        if let agentFailure {
            throw .final(
                LianError(
                    .sshAuthFailed, .connect,
                    "the ssh-agent would not sign with the key \(key.publicKey.description): \(agentFailure)",
                    hint: "Check it with ssh-add -l, or name the private key with --ssh-key."))
        }
        if isLoss(code) { throw .notYet("it closes the connection during the authentication") }
        let isRefusal = code == LIBSSH2_ERROR_AUTHENTICATION_FAILED || code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
        let reason =
            isRefusal ? "it allows \(allowedMethods() ?? "unknown methods")" : "\(session.lastErrorText) (\(code))"
        throw .final(
            LianError(
                .sshAuthFailed, .connect,
                "the runner at \(endpoint) refuses the user \(endpoint.user) with the key \(key.publicKey.description); "
                    + reason,
                hint: "The runner's authorized_keys must hold the key that the spawn request carried: "
                    + key.publicKey.line))
    }

    /// Asked only to explain a refusal: a server that does not answer costs two seconds at most.
    private func allowedMethods() -> String? {
        let limit = min(end, .now + .seconds(2))
        while true {
            if let methods = session.allowedMethods(user: endpoint.user) { return methods }
            guard session.lastError == LIBSSH2_ERROR_EAGAIN, (try? wait(until: limit)) == true else { return nil }
        }
    }

    private func repeated(
        _ what: String, _ call: () -> Int32, waited: (Duration) -> Void = { _ in }
    ) throws(AttemptFailure) -> Int32 {
        while true {
            let code = call()
            guard code == LIBSSH2_ERROR_EAGAIN else { return code }
            let start = ContinuousClock.now
            guard try wait(until: end) else { throw .notYet("it does not finish \(what)") }
            waited(.now - start)
        }
    }

    private func wait(until end: ContinuousClock.Instant) throws(AttemptFailure) -> Bool {
        acknowledgeAtOnce(socket)
        while session.hasUnsent {
            guard try waiting.wait(for: POLLOUT, on: socket, until: end) else { return false }
            // What went wrong is told by libssh2's next call.
            guard session.sendUnsent() else { return true }
        }
        let isReady = try waiting.wait(for: POLLIN, on: socket, until: end)
        acknowledgeAtOnce(socket)
        return isReady
    }

    private func isLoss(_ code: Int32) -> Bool {
        [
            LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_SOCKET_SEND,
            LIBSSH2_ERROR_BANNER_RECV,
        ].contains(code)
    }
}
