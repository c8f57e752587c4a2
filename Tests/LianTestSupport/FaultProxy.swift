import Dispatch
import Glibc
import LianSystem
import Synchronization

/// A TCP proxy on loopback with faults to order. It forwards faithfully until it is told otherwise; once an order
/// returns it has been carried out, so that what a test does next cannot overtake it.
package final class FaultProxy: Sendable {
    package let port: Int
    private let shared: Shared

    package static let wideQueue = 1 << 20

    /// Forwards to a port of 127.0.0.1. Of what it has not forwarded yet it holds up to `queue` bytes in each direction;
    /// with a small one the kernel holds little more before it, so that who sends faster finds a full socket.
    package init(to target: Int, queue: Int = wideQueue) throws {
        let held = try HeldPort()
        let listener = try ListeningSocket(port: held.number)
        port = held.number
        if queue < Self.wideQueue { listener.keepBuffersSmall() }
        let shared = try Shared(queue: queue)
        self.shared = shared
        let forwarder = Handover(ProxyLoop(listener: listener, at: held, target: target, shared: shared))
        try startThread { forwarder.value.run() }
    }

    deinit {
        shared.change { $0.orders.append((.stop, nil)) }
    }

    /// Closes every connection in order, as a process that ends does. New ones are taken.
    package func cut() { shared.order(.cut) }

    /// Resets every connection, as a machine that was restarted does.
    package func reset() { shared.order(.reset) }

    /// Forwards nothing more and closes nothing: a network that lost its way. New connections get no answer either.
    package func stall() { shared.change { $0.isStalled = true } }
    package func resume() { shared.change { $0.isStalled = false } }

    /// Refuses new connections, as a port without a listener does; those that are open stay.
    package func refuse() { shared.order(.refuse) }
    package func accept() { shared.order(.accept) }

    /// What every byte takes on its way, in each direction.
    package func setLatency(_ latency: Duration) { shared.change { $0.latency = latency } }

    /// Bytes per second, for each direction of each connection; nil is as fast as it goes.
    package func setLimit(_ bytesPerSecond: Int?) {
        shared.change { settings in
            settings.bytesPerSecond = bytesPerSecond
            settings.nextLimit = nil
        }
    }

    /// The limit as soon as this many bytes, counted from now, went to the server, whenever the test looks.
    package func setLimit(_ bytesPerSecond: Int, afterBytesToServer count: Int) {
        shared.change { $0.nextLimit = (bytesToServer + count, bytesPerSecond) }
    }

    /// Resets everything as soon as this many bytes, counted from now, went to the client.
    package func reset(afterBytesToClient count: Int) {
        shared.change { $0.resetAt = shared.bytesToClient + count }
    }

    package var connections: Int { shared.connectionCount.load(ordering: .relaxed) }
    package var bytesToServer: Int { shared.toServer.load(ordering: .relaxed) }
    package var bytesToClient: Int { shared.bytesToClient }

    fileprivate enum Order { case cut, reset, refuse, accept, stop }

    fileprivate struct Settings {
        var isStalled = false
        var latency: Duration = .zero
        var bytesPerSecond: Int?
        var nextLimit: (at: Int, bytesPerSecond: Int)?
        var resetAt: Int?
        var orders: [(order: Order, isDone: DispatchSemaphore?)] = []
    }

    fileprivate final class Shared: Sendable {
        let settings = Mutex(Settings())
        let waker: Waker
        let connectionCount = Atomic(0)
        let toServer = Atomic(0)
        let toClient = Atomic(0)
        let queue: Int

        init(queue: Int) throws {
            self.queue = queue
            waker = try Waker()
        }

        var bytesToClient: Int { toClient.load(ordering: .relaxed) }

        /// Waits for the proxy's own thread, which waits for nobody.
        func order(_ order: Order) {
            let isDone = DispatchSemaphore(value: 0)
            change { $0.orders.append((order, isDone)) }
            isDone.wait()
        }

        func change(_ body: (inout Settings) -> Void) {
            settings.withLock { body(&$0) }
            waker.wake()
        }
    }
}

/// Carries a value to the one thread that uses it from then on.
private struct Handover<Value>: @unchecked Sendable {
    // Sendable because it is made for exactly one thread and its maker keeps no reference.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}

private final class ProxyLoop {
    private var listener: ListeningSocket?
    /// Nobody else gets it while connections are refused here.
    private let port: HeldPort
    private let target: Int
    private let shared: FaultProxy.Shared
    private var pairs: [Pair] = []

    init(listener: ListeningSocket, at port: HeldPort, target: Int, shared: FaultProxy.Shared) {
        self.listener = listener
        self.port = port
        self.target = target
        self.shared = shared
    }

    func run() {
        while true {
            let settings = shared.settings.withLock { settings in
                if let next = settings.nextLimit, shared.toServer.load(ordering: .relaxed) >= next.at {
                    settings.bytesPerSecond = next.bytesPerSecond
                    settings.nextLimit = nil
                }
                defer { settings.orders = [] }
                return settings
            }
            for (order, isDone) in settings.orders {
                defer { isDone?.signal() }
                switch order {
                case .cut: endAll(abruptly: false)
                case .reset: endAll(abruptly: true)
                case .refuse: listener = nil
                case .accept: if listener == nil { listener = try? ListeningSocket(port: port.number) }
                case .stop: return endAll(abruptly: false)
                }
            }
            if let limit = settings.resetAt, shared.bytesToClient >= limit {
                shared.settings.withLock { $0.resetAt = nil }
                endAll(abruptly: true)
            }
            forward(settings)
        }
    }

    private func endAll(abruptly: Bool) {
        for pair in pairs { pair.end(abruptly: abruptly) }
        pairs = []
    }

    private func forward(_ settings: FaultProxy.Settings) {
        var polled = [pollfd(fd: shared.waker.descriptor, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: listener?.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
        var timeout: Int32 = -1
        if !settings.isStalled {
            let now = ContinuousClock.now
            for pair in pairs {
                for flow in [pair.toServer, pair.toClient] {
                    flow.addPolls(to: &polled, now: now, settings)
                    if let due = flow.nextDue(settings), due > now {
                        let wait = (due - now).pollMilliseconds
                        timeout = timeout < 0 ? wait : min(timeout, wait)
                    }
                }
            }
        }
        poll(&polled, nfds_t(polled.count), timeout)
        if polled[0].revents != 0 { shared.waker.settle() }
        if polled[1].revents != 0 { takeConnection() }
        guard !settings.isStalled, !shared.settings.withLock({ $0.isStalled }) else { return }
        for pair in pairs {
            pair.toServer.move(settings, counting: shared.toServer)
            pair.toClient.move(settings, counting: shared.toClient)
        }
        for pair in pairs where pair.isDone { pair.end(abruptly: false) }
        pairs.removeAll(where: \.isDone)
    }

    private func takeConnection() {
        guard let listener else { return }
        let client = accept(listener.descriptor, nil, nil)
        guard client >= 0 else { return }
        shared.connectionCount.wrappingAdd(1, ordering: .relaxed)
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopbackAddress(port: target)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(server)
            close(client)
            return
        }
        var yes: Int32 = 1
        for descriptor in [client, server] {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        pairs.append(Pair(client: client, server: server, queue: shared.queue))
    }
}

private final class Pair {
    let toServer: Flow
    let toClient: Flow
    private var isEnded = false

    init(client: Int32, server: Int32, queue: Int) {
        toServer = Flow(from: client, to: server, queue: queue)
        toClient = Flow(from: server, to: client, queue: queue)
    }

    var isDone: Bool { isEnded || toServer.isBroken || toClient.isBroken || (toServer.isOver && toClient.isOver) }

    func end(abruptly: Bool) {
        guard !isEnded else { return }
        isEnded = true
        for descriptor in [toServer.source, toServer.sink] {
            if abruptly {
                var option = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            }
            close(descriptor)
        }
    }
}

/// One direction of one connection.
private final class Flow {
    let source: Int32
    let sink: Int32
    private var pieces: [(bytes: [UInt8], sent: Int, due: ContinuousClock.Instant)] = []
    private var held = 0
    private var sourceEnded = false
    private(set) var isOver = false
    private(set) var isBroken = false
    private var nextSend = ContinuousClock.now

    private let queue: Int
    private static let piece = 64 << 10
    private static let lateness: Duration = .milliseconds(200)

    init(from source: Int32, to sink: Int32, queue: Int) {
        self.source = source
        self.sink = sink
        self.queue = queue
    }

    func nextDue(_ settings: FaultProxy.Settings) -> ContinuousClock.Instant? {
        pieces.first.map { settings.bytesPerSecond == nil ? $0.due : max($0.due, nextSend) }
    }

    func addPolls(to polled: inout [pollfd], now: ContinuousClock.Instant, _ settings: FaultProxy.Settings) {
        if !sourceEnded, held < queue {
            polled.append(pollfd(fd: source, events: Int16(POLLIN), revents: 0))
        }
        if let due = nextDue(settings), due <= now {
            polled.append(pollfd(fd: sink, events: Int16(POLLOUT), revents: 0))
        }
    }

    func move(_ settings: FaultProxy.Settings, counting counter: borrowing Atomic<Int>) {
        take(settings)
        let now = ContinuousClock.now
        while let due = nextDue(settings), due <= now {
            let first = pieces[0]
            var count = first.bytes.count - first.sent
            if let limit = settings.bytesPerSecond { count = min(count, max(limit / 50, 1)) }
            let sent = first.bytes.withUnsafeBytes {
                send(sink, $0.baseAddress?.advanced(by: first.sent), count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else {
                if errno != EAGAIN && errno != EINTR { isBroken = true }
                return
            }
            counter.wrappingAdd(sent, ordering: .relaxed)
            held -= sent
            if let limit = settings.bytesPerSecond {
                // Where this thread comes late, it sends what would have gone meanwhile.
                nextSend = max(nextSend, first.due, now - Self.lateness) + .seconds(Double(sent) / Double(limit))
            }
            if first.sent + sent == first.bytes.count {
                pieces.removeFirst()
            } else {
                pieces[0].sent += sent
            }
        }
        if sourceEnded, pieces.isEmpty, !isOver {
            shutdown(sink, Int32(SHUT_WR))
            isOver = true
        }
    }

    private func take(_ settings: FaultProxy.Settings) {
        guard !sourceEnded, held < queue else { return }
        var buffer = [UInt8](repeating: 0, count: Self.piece)
        let count = recv(source, &buffer, buffer.count, 0)
        if count > 0 {
            pieces.append((Array(buffer[..<count]), 0, .now + settings.latency))
            held += count
        } else if count == 0 {
            sourceEnded = true
        } else if errno != EAGAIN && errno != EINTR {
            isBroken = true
        }
    }
}
