import CNATS
import Glibc
import LianModel
import LianSystem

/// The thread that owns the connection. It connects, sends the waiting events, has the server confirm them, and
/// connects again when the connection is lost.
///
/// libnats's own reconnecting is off: what it would buffer meanwhile could be neither counted nor kept in order with
/// what is sent again. nats_Close is never called: after TLS it crashes at exit (OpenSSL's state is freed twice).
struct Courier {
    private let target: Target
    private let outbox: Outbox
    private let callbackOwner: UnsafeMutableRawPointer
    private let hasUnsendableSignature: Guarded<Bool>

    init(target: Target, outbox: Outbox) {
        self.target = target
        self.outbox = outbox
        // Never released: callbacks may come until the process ends, and there is one publisher in it.
        let owner = CallbackOwner(outbox: outbox, nkey: target.nkey)
        callbackOwner = Unmanaged.passRetained(owner).toOpaque()
        hasUnsendableSignature = owner.hasUnsendableSignature
    }

    private static let connectTimeout: Duration = .seconds(2)
    /// How long one wait for the server's confirmation lasts before the outbox is looked at again.
    private static let confirmationSlice: Duration = .milliseconds(200)

    /// One signature in 256 begins with a zero byte, which libnats cannot send.
    private static let signingTries = 5

    func run() {
        // The priority is this thread's own: where processors are few, the build goes first, but events do not starve.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
        var created: OpaquePointer?
        guard natsOptions_Create(&created) == NATS_OK, let options = created else {
            outbox.connectionFailed("libnats cannot be set up")
            return outbox.close()
        }
        defer { natsOptions_Destroy(options) }
        // Done once for all tries: it reads all of the system's authorities, which takes longer than a try.
        let status = configure(options)
        guard status == NATS_OK else {
            outbox.connectionFailed(shown(status))
            return outbox.close()
        }
        work(options)
        outbox.close()
    }

    private func work(_ options: OpaquePointer) {
        var failures = 0
        var isOver = false
        while !isOver && !outbox.isEnded {
            switch connect(options) {
            case .success(let connection):
                failures = 0
                outbox.connectionIsUp(UInt(bitPattern: connection))
                isOver = serve(connection)
                close(connection)
            case .failure(let failure):
                outbox.connectionFailed(failure.reason)
                isOver = failure.isFinal || failure.isAnswer && outbox.isFirstConnectionDue
                failures += 1
                if !isOver { outbox.rest(atMost: min(.seconds(5), .milliseconds(100) * (1 << min(failures, 10)))) }
            }
        }
    }

    /// True when everything is done; false when the connection is lost.
    private func serve(_ connection: OpaquePointer) -> Bool {
        while true {
            switch outbox.next() {
            case .end: return true
            case .connect: return false
            case .rest: outbox.rest()
            case .send(let events):
                for event in events where !outbox.isConnectionLost {
                    switch publish(event, connection) {
                    case NATS_OK: outbox.firstWasHandedOver(true)
                    case NATS_CONNECTION_CLOSED, NATS_CONNECTION_DISCONNECTED, NATS_IO_ERROR:
                        outbox.connectionIsLost()
                    default: outbox.firstWasHandedOver(false)
                    }
                }
            case .confirm:
                // The server answers in order: by now it has accepted what was sent before, or its refusal is on the
                // way.
                let status = natsConnection_FlushTimeout(connection, Int64(Self.confirmationSlice.milliseconds))
                if status == NATS_OK {
                    outbox.allWereConfirmed()
                } else if status != NATS_TIMEOUT {
                    outbox.connectionIsLost()
                }
            }
        }
    }

    private func publish(_ event: CloudEvent, _ connection: OpaquePointer) -> natsStatus {
        let body = event.json.encodedBytes()
        var message: OpaquePointer?
        let created = body.withUnsafeBytes { bytes in
            natsMsg_Create(
                &message, event.subject, nil, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(clamping: bytes.count))
        }
        guard created == NATS_OK else { return created }
        defer { natsMsg_Destroy(message) }
        // JetStream keeps only one message with the same id.
        let marked = natsMsgHeader_Set(message, "Nats-Msg-Id", event.id)
        return marked == NATS_OK ? natsConnection_PublishMsg(connection, message) : marked
    }

    /// Closes the connection and waits until its last callback is through, so that no refusal is missed.
    private func close(_ connection: OpaquePointer) {
        natsConnection_Close(connection)
        let end = ContinuousClock.now + .seconds(2)
        while !outbox.isConnectionClosed, !outbox.isEnded, ContinuousClock.now < end {
            outbox.rest(atMost: end - .now)
        }
        natsConnection_Destroy(connection)
    }

    private struct ConnectFailure: Error {
        let reason: String
        /// Whether trying again would not help.
        let isFinal: Bool
        /// Whether the server or its machine answered, as opposed to a timeout.
        let isAnswer: Bool
    }

    private func connect(_ options: OpaquePointer) -> Result<OpaquePointer, ConnectFailure> {
        var connection: OpaquePointer?
        outbox.connectionBegins()
        var status = natsConnection_Connect(&connection, options)
        // The server gives another text to sign for each try.
        for _ in 1..<Self.signingTries where status != NATS_OK && hasUnsendableSignature.value {
            status = natsConnection_Connect(&connection, options)
        }
        if status == NATS_OK, let connection { return .success(connection) }
        let isFinal = [
            NATS_CONNECTION_AUTH_FAILED, NATS_INVALID_ARG, NATS_SECURE_CONNECTION_WANTED,
            NATS_SECURE_CONNECTION_REQUIRED,
        ].contains(status)
        return .failure(
            ConnectFailure(reason: shown(status), isFinal: isFinal, isAnswer: status != NATS_TIMEOUT))
    }

    private func shown(_ status: natsStatus) -> String {
        onOneLine(Self.lastError(or: status), hiding: SecretMask(target.url.secrets))
    }

    /// libnats's text for this thread's last error, without the position in its source.
    private static func lastError(or status: natsStatus) -> String {
        let general = String(cString: natsStatus_GetText(status))
        guard var detail = nats_GetLastError(nil).map({ Substring(String(cString: $0)) }), !detail.isEmpty else {
            return general
        }
        if detail.hasPrefix("("), let end = detail.firstRange(of: "): ") { detail = detail[end.upperBound...] }
        return detail.contains(general) ? String(detail) : "\(general): \(detail)"
    }

    private func configure(_ options: OpaquePointer) -> natsStatus {
        var status = natsOptions_SetURL(options, target.url.description)
        func set(_ call: @autoclosure () -> natsStatus) {
            if status == NATS_OK { status = call() }
        }
        if let user = target.url.user {
            if let password = target.url.password {
                set(natsOptions_SetUserInfo(options, user, password))
            } else {
                set(natsOptions_SetToken(options, user))
            }
        }
        if let nkey = target.nkey {
            set(natsOptions_SetNKey(options, nkey.publicKey, signNonce, callbackOwner))
        }
        // A server may demand TLS for a nats:// URL too; it is verified by the same rules.
        set(natsOptions_SetSecure(options, target.url.usesTLS))
        set(natsOptions_SetExpectedHostname(options, target.url.host))
        if let authorities = target.authorities { set(natsOptions_SetCATrustedCertificates(options, authorities)) }
        set(natsOptions_SetName(options, "lian-build"))
        set(natsOptions_SetNoEcho(options, true))
        set(natsOptions_SetAllowReconnect(options, false))
        set(natsOptions_SetTimeout(options, Int64(Self.connectTimeout.milliseconds)))
        set(natsOptions_SetWriteDeadline(options, 1000))
        set(natsOptions_SetPingInterval(options, 5000))
        set(natsOptions_SetMaxPingsOut(options, 2))
        set(natsOptions_SetErrorHandler(options, noteError, callbackOwner))
        set(natsOptions_SetClosedCB(options, noteClosed, callbackOwner))
        return status
    }
}

/// What libnats's callbacks need, on whichever thread they come.
private final class CallbackOwner: Sendable {
    let outbox: Outbox
    let nkey: NKey?
    let hasUnsendableSignature = Guarded(false)

    init(outbox: Outbox, nkey: NKey?) {
        self.outbox = outbox
        self.nkey = nkey
    }

    static func from(_ closure: UnsafeMutableRawPointer?) -> CallbackOwner? {
        closure.map { Unmanaged<CallbackOwner>.fromOpaque($0).takeUnretainedValue() }
    }
}

private let noteClosed: natsConnectionHandler = { connection, closure in
    CallbackOwner.from(closure)?.outbox.connectionClosed(UInt(bitPattern: connection))
}

private let noteError: natsErrHandler = { _, _, status, closure in
    guard status == NATS_NOT_PERMITTED, let owner = CallbackOwner.from(closure) else { return }
    // `Permissions Violation for Publish to "a.b.c"`
    let text = nats_GetLastError(nil).map { String(cString: $0) } ?? ""
    let quoted = text.split(separator: "\"", omittingEmptySubsequences: false)
    owner.outbox.refused(quoted.count >= 2 ? onOneLine(String(quoted[1])) : "(which one it does not say)")
}

private let signNonce: natsSignatureHandler = { _, signature, length, nonce, closure in
    guard let owner = CallbackOwner.from(closure), let nonce, let signature, let length,
        let bytes = owner.nkey?.signature(of: Array(String(cString: nonce).utf8))
    else { return NATS_ERR }
    // libnats 3.4 takes a signature that begins with a zero for none at all, and the server would refuse us for it.
    owner.hasUnsendableSignature.set(bytes[0] == 0)
    // libnats frees it.
    guard bytes[0] != 0, let copy = malloc(bytes.count) else { return NATS_ERR }
    memcpy(copy, bytes, bytes.count)
    signature.pointee = copy.assumingMemoryBound(to: UInt8.self)
    length.pointee = Int32(bytes.count)
    return NATS_OK
}
