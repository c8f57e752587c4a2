import CLinux
import CSSH2
import Glibc
import LianModel
import LianSystem

/// Serves one libssh2 session on the one thread that owns it: takes jobs, moves every channel on as far as it goes,
/// and waits in poll(2) for the socket, for pumped descriptors, or for a job.
///
/// While the socket has not taken all that libssh2 sent, nothing more is asked of libssh2, whichever channel it is for.
final class SessionLoop {
    let link: SessionLink
    let session: LibrarySession
    let socket: FileDescriptor
    let endpoint: SSHEndpoint
    var channels: [ChannelState] = []
    var isStopping = false
    /// The error for jobs that come too late; set at the very end.
    var ending: LianError?
    var stopWaiters: [Completion<Void>] = []
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)

    enum Step {
        case open, start, input, output, error, takeIn, close, free
    }

    /// Why the session can no longer be used.
    struct Lost: Error {
        let reason: String
    }

    /// How long, after a command's output has ended, the other side may take to tell how the command did.
    static let endPatience: Duration = .seconds(5)
    /// How long a close in the middle waits for what the other side may still tell.
    static let closePatience: Duration = .milliseconds(500)

    init(link: SessionLink, session: LibrarySession, socket: consuming FileDescriptor, endpoint: SSHEndpoint) {
        self.link = link
        self.session = session
        self.socket = socket
        self.endpoint = endpoint
    }

    deinit {
        scratch.deallocate()
    }

    /// Returns when the session has ended, however it did.
    func serve() {
        var reason = "it was closed on this side"
        do throws(Lost) {
            while true {
                for job in link.takeJobs() { job(self) }
                if link.isAborted { throw Lost(reason: "it was given up on this side") }
                if isStopping {
                    _ = session.disconnect()
                    break
                }
                expireClosing()
                try advanceAll()
                try waitForEvents()
            }
        } catch {
            reason = error.reason
        }
        finish(
            LianError(
                .connectionLost, .connect, "the SSH connection to \(endpoint) is gone: \(reason)",
                hint: "Check the runner and the network between; what runs on the runner ends by itself."))
    }

    private func finish(_ error: LianError) {
        // Without its socket nothing in libssh2 waits for the network any more.
        shutdown(socket.raw, Int32(SHUT_RDWR))
        let lateJobs = link.end(error)
        for channel in channels {
            channel.failAll(error)
            for closer in channel.closers { closer.fail(error) }
        }
        channels = []
        ending = error
        for job in lateJobs { job(self) }
        session.end()
        for waiter in stopWaiters { waiter.succeed(()) }
        stopWaiters = []
    }

    private func waitForEvents() throws(Lost) {
        var polled = [pollfd(fd: link.waker.descriptor, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: socket.raw, events: socketEvents(), revents: 0))
        for case let pump? in channels.map(\.pump) where !pump.isDetached {
            if pump.wantsInput { polled.append(pollfd(fd: pump.input, events: Int16(POLLIN), revents: 0)) }
            if pump.wantsOutput { polled.append(pollfd(fd: pump.output, events: Int16(POLLOUT), revents: 0)) }
        }
        let timeout = channels.compactMap(\.deadline).min().map { max($0 - .now, .zero).pollMilliseconds } ?? -1
        guard poll(&polled, nfds_t(polled.count), timeout) >= 0 || errno == EINTR else {
            throw Lost(reason: "poll: \(String(cString: strerror(errno)))")
        }
        if polled[0].revents != 0 { link.waker.settle() }
        let events = Int32(polled[1].revents)
        guard events != 0 else { return }
        acknowledgeAtOnce(socket.raw)
        guard !session.hasUnsent else { return }
        if let driver {
            _ = try takeIn(driver)
        } else if events & (POLLHUP | POLLERR | lian_poll_peer_closed) != 0 {
            throw Lost(reason: lossReason(LIBSSH2_ERROR_SOCKET_DISCONNECT))
        }
    }

    private func socketEvents() -> Int16 {
        if session.hasUnsent { return Int16(POLLOUT) }
        // With no channel there is nothing in libssh2 to call for what arrives, and polling for it would spin.
        return Int16(driver != nil || channels.contains(where: \.isStarting) ? POLLIN : lian_poll_peer_closed)
    }

    /// A channel by which libssh2 can be made to read the network.
    private var driver: ChannelState? {
        channels.first { $0.library != nil && !$0.isClosedByPeer }
    }
}
