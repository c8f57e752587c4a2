import CCurl
import Glibc
import LianModel
import LianSystem
import Synchronization

/// The one thread that owns libcurl's multi handle and everything that hangs on it. Others leave it orders and wake
/// it up.
final class TransferLoop: Sendable {
    private enum Order {
        case start(HTTPRequest, PendingAnswer)
        case cancel(PendingAnswer)
        case stop
    }

    private struct Inbox {
        var orders: [Order] = []
        /// Nil as soon as the thread has begun to take the handle down.
        var multi: MultiHandle?
    }

    private let inbox: Mutex<Inbox>

    init() throws(SystemError) {
        guard curlIsReady, let raw = curl_multi_init() else { throw SystemError("curl_multi_init", ENOMEM) }
        lian_curl_multi_set_long(raw, CURLMOPT_MAXCONNECTS, 8)
        let multi = MultiHandle(raw: raw)
        inbox = Mutex(Inbox(multi: multi))
        do {
            try startThread { [self] in run(multi) }
        } catch {
            curl_multi_cleanup(raw)
            throw error
        }
    }

    func start(_ request: HTTPRequest, _ answer: PendingAnswer) {
        if !leave(.start(request, answer)) { answer.resolve(.failure(HTTPFailure(.cancelled, ""))) }
    }

    func cancel(_ answer: PendingAnswer) {
        _ = leave(.cancel(answer))
    }

    func stop() {
        _ = leave(.stop)
    }

    private func leave(_ order: Order) -> Bool {
        inbox.withLock { inbox in
            guard let multi = inbox.multi else { return false }
            inbox.orders.append(order)
            curl_multi_wakeup(multi.raw)
            return true
        }
    }

    private func run(_ multi: MultiHandle) {
        // OpenSSL writes with write(2): a peer that is gone would otherwise end the process.
        blockSIGPIPE()
        var transfers: [UnsafeMutableRawPointer: Transfer] = [:]
        var isStopping = false
        while !isStopping {
            let orders = inbox.withLock { inbox in
                let orders = inbox.orders
                inbox.orders = []
                return orders
            }
            for order in orders {
                switch order {
                case .start(let request, let answer):
                    // A task that was cancelled before this has resolved its answer already.
                    if answer.isResolved { continue }
                    do {
                        let transfer = try Transfer(request, answer)
                        transfers[transfer.handle] = transfer
                        curl_multi_add_handle(multi.raw, transfer.handle)
                    } catch {
                        answer.resolve(.failure(error))
                    }
                case .cancel(let answer):
                    guard let transfer = transfers.values.first(where: { $0.answer === answer }) else { continue }
                    curl_multi_remove_handle(multi.raw, transfer.handle)
                    transfers[transfer.handle] = nil
                case .stop:
                    isStopping = true
                }
            }
            var running: Int32 = 0
            curl_multi_perform(multi.raw, &running)
            var waiting: Int32 = 0
            while let message = curl_multi_info_read(multi.raw, &waiting) {
                guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle,
                    let transfer = transfers.removeValue(forKey: handle)
                else { continue }
                // Read before the handle is removed: the message does not outlive that.
                let code = message.pointee.data.result
                let outcome = transfer.outcome(of: code)
                curl_multi_remove_handle(multi.raw, handle)
                transfer.answer.resolve(outcome)
            }
            // libcurl shortens the wait to its own timers; an order ends it.
            if !isStopping { curl_multi_poll(multi.raw, nil, 0, 60_000, nil) }
        }
        let late = inbox.withLock { inbox in
            inbox.multi = nil
            return inbox.orders
        }
        for case .start(_, let answer) in late { answer.resolve(.failure(HTTPFailure(.cancelled, ""))) }
        for transfer in transfers.values {
            curl_multi_remove_handle(multi.raw, transfer.handle)
            transfer.answer.resolve(.failure(HTTPFailure(.cancelled, "")))
        }
        curl_multi_cleanup(multi.raw)
    }
}

/// Sendable: the loop's thread alone uses it, but for curl_multi_wakeup, which libcurl allows from any thread and
/// which is called under the inbox's lock, before the handle is taken down.
private struct MultiHandle: @unchecked Sendable {
    let raw: UnsafeMutableRawPointer
}

/// libcurl's global state is set up once in the process and never taken down.
private let curlIsReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

private func blockSIGPIPE() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// One request on its way. Made, used and let go of on the loop's thread alone.
private final class Transfer {
    let handle: UnsafeMutableRawPointer
    let answer: PendingAnswer
    private var body: [UInt8] = []
    private var headers: [String: String] = [:]
    private var headerBytes = 0
    private var reason = ""
    private let bodyLimit: Int
    private var isTooLarge = false
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    init(_ request: HTTPRequest, _ answer: PendingAnswer) throws(HTTPFailure) {
        let headers = request.headers.map { "\($0.key): \($0.value)" }
        guard headers.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else {
            throw HTTPFailure(.requestInvalid, "a header's value holds a control character")
        }
        guard let handle = curl_easy_init() else { throw HTTPFailure(.requestInvalid, "out of memory") }
        self.handle = handle
        self.answer = answer
        bodyLimit = request.bodyLimit
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        // libcurl waits for 100-continue on its own account otherwise.
        for header in headers + ["Expect:"] { headerList = curl_slist_append(headerList, header) }
        guard configure(request) else { throw HTTPFailure(.requestInvalid, "libcurl refuses one of its options") }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    private func configure(_ request: HTTPRequest) -> Bool {
        var isAccepted = true
        func set(_ option: CURLoption, _ value: Int) {
            isAccepted = isAccepted && lian_curl_set_long(handle, option, value) == CURLE_OK
        }
        func set(_ option: CURLoption, _ value: String) {
            isAccepted = isAccepted && lian_curl_set_string(handle, option, value) == CURLE_OK
        }
        set(CURLOPT_URL, request.server.description + request.target)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_USERAGENT, "lian-build/\(lianBuildVersion)")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, request.connectTimeout.milliseconds))
        set(CURLOPT_TIMEOUT_MS, max(1, request.timeout.milliseconds))
        // A name server that hangs must not hold the loop up: its thread is left to end by itself.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_FRESH_CONNECT, request.needsFreshConnection ? 1 : 0)
        if request.server.isLoopback || request.unixSocket != nil { set(CURLOPT_PROXY, "") }
        if let socket = request.unixSocket { set(CURLOPT_UNIX_SOCKET_PATH, socket) }
        switch request.method {
        case .get:
            set(CURLOPT_HTTPGET, 1)
        case .post, .put, .patch:
            set(CURLOPT_POST, 1)
            if request.method != .post { set(CURLOPT_CUSTOMREQUEST, request.method.rawValue) }
            set(CURLOPT_POSTFIELDSIZE, request.body.count)
            isAccepted =
                isAccepted
                && request.body.withUnsafeBytes { bytes in
                    // The size is set, so that libcurl copies just these bytes; without any it takes a text of none.
                    bytes.isEmpty
                        ? lian_curl_set_string(handle, CURLOPT_COPYPOSTFIELDS, "")
                        : lian_curl_set_pointer(
                            handle, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
                } == CURLE_OK
        case .delete:
            set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
        func set(_ option: CURLoption, _ bytes: [UInt8]) {
            isAccepted = isAccepted && lian_curl_set_bytes(handle, option, bytes, bytes.count) == CURLE_OK
        }
        // In place of libcurl's file of the system's authorities; its folder of them (CURLOPT_CAPATH) stays.
        if let authorities = request.authorities { set(CURLOPT_CAINFO_BLOB, authorities.pem) }
        if let pinned = request.pinnedKey {
            // The handshake proves that the server has the key, so nobody need vouch for its name. libcurl compares the
            // key also where it verifies nothing else.
            set(CURLOPT_PINNEDPUBLICKEY, pinned.digest)
            set(CURLOPT_SSL_VERIFYPEER, 0)
            set(CURLOPT_SSL_VERIFYHOST, 0)
        }
        if let identity = request.identity {
            set(CURLOPT_SSLCERT_BLOB, identity.certificate)
            set(CURLOPT_SSLKEY_BLOB, identity.key)
        }
        let owner = Unmanaged.passUnretained(self).toOpaque()
        return isAccepted
            && lian_curl_set_pointer(handle, CURLOPT_HTTPHEADER, headerList) == CURLE_OK
            && lian_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText) == CURLE_OK
            && lian_curl_set_pointer(handle, CURLOPT_WRITEDATA, owner) == CURLE_OK
            && lian_curl_set_pointer(handle, CURLOPT_HEADERDATA, owner) == CURLE_OK
            && lian_curl_set_sink(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, owner in
                Transfer.take(bytes, size * count, owner) { $0.takeBody($1) }
            } == CURLE_OK
            && lian_curl_set_sink(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, owner in
                Transfer.take(bytes, size * count, owner) { $0.takeHeader($1) }
            } == CURLE_OK
    }

    /// Answers libcurl with the bytes taken: fewer than it gave end the transfer.
    private static func take(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ owner: UnsafeMutableRawPointer?,
        _ body: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let bytes, let owner else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
        return body(transfer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard body.count + bytes.count <= bodyLimit else {
            isTooLarge = true
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        headerBytes += bytes.count
        guard headerBytes <= HTTPResponse.headerLimit else {
            isTooLarge = true
            return false
        }
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // The headers so far are those of an interim answer.
            headers = [:]
            let words = line.split(separator: " ", maxSplits: 2)
            reason = words.count == 3 ? Self.trimmed(words[2]) : ""
        } else if let colon = line.firstIndex(of: ":") {
            let name = line[..<colon].lowercased()
            let value = Self.trimmed(line[line.index(after: colon)...])
            let before = name == HTTPResponse.challenges ? headers[name] : nil
            headers[name] = before.map { "\($0), \(value)" } ?? value
        }
        return true
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0.isWhitespace }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }

    func outcome(of code: CURLcode) -> PendingAnswer.Outcome {
        guard code == CURLE_OK else { return .failure(failure(of: code)) }
        var status = 0
        lian_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        var seconds: curl_off_t = 0
        lian_curl_get_offset(handle, CURLINFO_RETRY_AFTER, &seconds)
        // A number too large to read is a wait too long to make.
        let retryAfter = Duration.seconds(min(max(0, seconds), curl_off_t(Int32.max)))
        return .success(
            HTTPResponse(status: status, headers: headers, body: body, retryAfter: retryAfter, reason: reason))
    }

    private func failure(of code: CURLcode) -> HTTPFailure {
        let text = String(cString: errorText)
        let detail = onOneLine(text.isEmpty ? String(cString: curl_easy_strerror(code)) : text)
        return switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: HTTPFailure(.nameNotResolved, detail)
        case CURLE_COULDNT_CONNECT: HTTPFailure(.connectFailed, detail)
        case CURLE_OPERATION_TIMEDOUT: HTTPFailure(isConnected ? .answerTimedOut : .connectTimedOut, detail)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            HTTPFailure(.certificateRefused, detail)
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED:
            HTTPFailure(.tlsFailed, detail)
        case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE:
            HTTPFailure(.connectionLost, detail)
        case CURLE_WRITE_ERROR where isTooLarge: HTTPFailure(.answerTooLarge, "")
        case CURLE_URL_MALFORMAT, CURLE_OUT_OF_MEMORY:
            HTTPFailure(.requestInvalid, detail)
        default: HTTPFailure(.notHTTP, detail)
        }
    }

    /// Whether the request could go out: connected, and past TLS where there is any.
    private var isConnected: Bool {
        var microseconds: curl_off_t = 0
        lian_curl_get_offset(handle, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
        return microseconds > 0
    }
}
