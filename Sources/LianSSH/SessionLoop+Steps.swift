import CSSH2
import Glibc
import LianChannel
import LianModel
import LianSystem

/// How every channel is moved on: one step is one call of libssh2 that answers at once.
extension SessionLoop {
    /// Moves the channels on until each waits for something, or all wait for the socket.
    func advanceAll() throws(Lost) {
        var hasProgress = true
        while hasProgress {
            hasProgress = false
            let receivedBefore = session.receivedBytes
            for channel in channels {
                for step in steps(channel) where isWanted(step, of: channel) {
                    guard try isAllSent() else { return }
                    if try perform(step, on: channel) { hasProgress = true }
                    if session.hasUnsent { giveWay(channel) }
                }
            }
            // Any call may have taken in bytes for a channel, or a stream, that was asked before it. The socket will
            // not tell of those again, so all are asked once more.
            if session.receivedBytes != receivedBefore { hasProgress = true }
        }
        _ = try isAllSent()
    }

    private func isAllSent() throws(Lost) -> Bool {
        guard session.sendUnsent() else { throw Lost(reason: lossReason(LIBSSH2_ERROR_SOCKET_SEND)) }
        return !session.hasUnsent
    }

    /// Moves the channel behind the others, so that on a full socket each gets its turn.
    private func giveWay(_ channel: ChannelState) {
        guard let index = channels.firstIndex(where: { $0 === channel }) else { return }
        channels.append(channels.remove(at: index))
    }

    /// Ends each close whose deadline has passed: nobody waits longer for the other side's part, whatever the network
    /// does.
    func expireClosing() {
        for channel in channels where channel.deadline.map({ $0 <= .now }) == true {
            answerClosers(channel, isClean: false)
        }
    }

    private func steps(_ channel: ChannelState) -> [Step] {
        switch channel.phase {
        case .queued:
            // libssh2 opens one channel at a time, and takes the answer to another's start for a failure of its own.
            return channels.contains(where: \.isStarting) ? [] : [.open]
        case .opening: return [.open]
        case .starting: return [.start]
        case .open:
            var steps: [Step] = []
            if channel.pump?.isDetached == true { channel.pump = nil }
            if let pump = channel.pump {
                pump.fillFromInput()
                pump.drainToOutput()
                if pump.room != nil { steps.append(.output) }
                steps.append(.error)
                if !channel.hasSentEnd, !pump.pending.isEmpty || pump.inputEnded { steps.append(.input) }
                return steps
            }
            if !channel.readers.isEmpty { steps += channel.readsErrorFirst ? [.error, .output] : [.output, .error] }
            // Input comes last, for it may leave no room for the other steps.
            if !channel.inputs.isEmpty { steps.append(.input) }
            return steps
        case .awaitingPeer: return [.takeIn]
        case .closing: return [.close]
        case .freeing: return [.free]
        }
    }

    /// A read before this one may have answered the only reader. Further output is left for who asks next, maybe a
    /// pump.
    private func isWanted(_ step: Step, of channel: ChannelState) -> Bool {
        switch step {
        case .output, .error: channel.pump != nil || !channel.readers.isEmpty
        // A pump that has come to its end sends no more.
        case .input: channel.pump?.isDetached != true
        case .open, .start, .takeIn, .close, .free: true
        }
    }

    /// True where it changed something, so that another round may get further.
    private func perform(_ step: Step, on channel: ChannelState) throws(Lost) -> Bool {
        switch step {
        case .open: try open(channel)
        case .start: try start(channel)
        case .input: try sendInput(channel)
        case .output: try read(.output, of: channel)
        case .error: try read(.error, of: channel)
        case .takeIn: try takeIn(channel)
        case .close: try close(channel)
        case .free: try free(channel)
        }
    }

    private static let wantsItAgain = Int(LIBSSH2_ERROR_EAGAIN)

    /// Errors that concern one channel. After any other error the session has lost its place in the stream.
    private static let channelErrors = [
        LIBSSH2_ERROR_CHANNEL_FAILURE, LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, LIBSSH2_ERROR_CHANNEL_CLOSED,
        LIBSSH2_ERROR_CHANNEL_EOF_SENT, LIBSSH2_ERROR_CHANNEL_UNKNOWN,
    ]

    private func check(_ code: Int) throws(Lost) {
        guard code < 0, !Self.channelErrors.contains(Int32(code)) else { return }
        throw Lost(reason: lossReason(Int32(code)))
    }

    func lossReason(_ code: Int32) -> String {
        var error = session.receiveError
        var size = socklen_t(MemoryLayout<Int32>.size)
        if error == 0 { getsockopt(socket.raw, SOL_SOCKET, SO_ERROR, &error, &size) }
        if error != 0 { return String(cString: strerror(error)) }
        switch code {
        case LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_SEND:
            return "the other side closed it"
        default:
            return "libssh2 reports \(session.lastErrorText) (\(code))"
        }
    }

    private func open(_ channel: ChannelState) throws(Lost) -> Bool {
        channel.phase = .opening
        guard let library = session.openChannel() else {
            let code = Int(session.lastError)
            if code == Self.wantsItAgain { return false }
            try check(code)
            refuse(channel, "open a channel: \(session.lastErrorText)")
            return true
        }
        channel.library = library
        channel.phase = .starting
        return true
    }

    private func start(_ channel: ChannelState) throws(Lost) -> Bool {
        guard let library = channel.library else { return false }
        let code = Int(library.start(channel.command))
        if code == Self.wantsItAgain { return false }
        try check(code)
        guard code == 0 else {
            refuse(channel, "run a command: \(session.lastErrorText)")
            return true
        }
        channel.phase = .open
        if let opener = channel.opener {
            channel.opener = nil
            opener.succeed(())
        } else {
            // Whoever asked for the channel has gone.
            beginClosing(channel)
        }
        return true
    }

    private func refuse(_ channel: ChannelState, _ what: String) {
        channel.opener?.fail(
            LianError(
                .sshUnreachable, .connect, "the SSH server at \(endpoint) would not \(what)",
                hint: "Let its sshd_config allow it: MaxSessions of 10 or more, and no ForceCommand."))
        channel.opener = nil
        answerClosers(channel, isClean: false)
    }

    private func sendInput(_ channel: ChannelState) throws(Lost) -> Bool {
        guard let library = channel.library else { return false }
        if let pump = channel.pump { return try sendInput(of: pump, library, channel) }
        guard let first = channel.inputs.first else { return false }
        switch first {
        case .bytes(let bytes, let sent, let completion):
            let code = bytes.withUnsafeBytes { library.write(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if code == Self.wantsItAgain {
                try noticeClosedInput(channel)
                return false
            }
            try check(code)
            guard code >= 0 else {
                channel.failInputs(RemoteChannelClosed())
                return true
            }
            channel.counters.addSent(code)
            if sent + code == bytes.count || completion == nil {
                completion?.succeed(())
                channel.inputs.removeFirst()
            } else {
                channel.inputs[0] = .bytes(bytes, sent: sent + code, completion)
            }
            return true
        case .end(let completion):
            guard try sendEnd(channel, library) else { return false }
            completion?.succeed(())
            channel.inputs.removeFirst()
            return true
        }
    }

    private func sendInput(of pump: Pump, _ library: LibraryChannel, _ channel: ChannelState) throws(Lost) -> Bool {
        guard !pump.pending.isEmpty else {
            return pump.inputEnded && !channel.hasSentEnd ? try sendEnd(channel, library) : false
        }
        let code = library.write(pump.pending)
        if code == Self.wantsItAgain {
            try noticeClosedInput(channel)
            return false
        }
        try check(code)
        guard code >= 0 else {
            pump.stopInput()
            return true
        }
        pump.didSend(code)
        channel.counters.addSent(code)
        return true
    }

    private func sendEnd(_ channel: ChannelState, _ library: LibraryChannel) throws(Lost) -> Bool {
        if !channel.hasSentEnd {
            let code = Int(library.sendEnd())
            if code == Self.wantsItAgain { return false }
            try check(code)
            channel.hasSentEnd = true
        }
        return true
    }

    /// Once the command has ended, a full window opens no more: without this check a write would wait for ever.
    private func noticeClosedInput(_ channel: ChannelState) throws(Lost) {
        _ = try takeIn(channel)
        guard channel.isClosedByPeer else { return }
        channel.failInputs(RemoteChannelClosed())
        channel.pump?.stopInput()
    }

    private func read(_ stream: LibraryChannel.Stream, of channel: ChannelState) throws(Lost) -> Bool {
        guard let library = channel.library else { return false }
        let pumpRoom = stream == .output ? channel.pump?.room : nil
        let code = library.read(stream, into: pumpRoom ?? scratch)
        if code == Self.wantsItAgain { return try noticeEnd(channel, library) }
        try check(code)
        guard code > 0 else { return try noticeEnd(channel, library) }
        channel.counters.addReceived(code)
        channel.readsErrorFirst = stream == .output
        if let pump = channel.pump {
            switch stream {
            case .output:
                pump.didReceive(code)
                pump.drainToOutput()
            case .error: pump.didReceiveError(scratch[..<code])
            }
            return true
        }
        let bytes = Array(scratch[..<code])
        let piece: RemoteOutput = stream == .output ? .output(bytes) : .error(bytes)
        if channel.readers.isEmpty {
            // The reader was cancelled while libssh2 wanted this call again.
            channel.ready.append(piece)
        } else {
            channel.readers.removeFirst().succeed(piece)
        }
        return true
    }

    private func noticeEnd(_ channel: ChannelState, _ library: LibraryChannel) throws(Lost) -> Bool {
        guard library.isAtEnd else { return false }
        channel.sawEnd = true
        if let pump = channel.pump, !pump.isDetached {
            guard !pump.wantsOutput else { return false }
            pump.finish()
            return true
        }
        guard !channel.readers.isEmpty else { return false }
        for reader in channel.readers { reader.succeed(nil) }
        channel.readers = []
        return true
    }

    func takeIn(_ channel: ChannelState) throws(Lost) -> Bool {
        if let library = channel.library, !channel.isClosedByPeer {
            let code = Int(library.takeIn())
            if code == Self.wantsItAgain { return false }
            try check(code)
            channel.isClosedByPeer = code == 0
        }
        guard case .awaitingPeer = channel.phase, channel.isClosedByPeer else { return false }
        answerClosers(channel, isClean: true)
        return true
    }

    private func close(_ channel: ChannelState) throws(Lost) -> Bool {
        guard let library = channel.library else { return false }
        let code = Int(library.close())
        if code == Self.wantsItAgain { return false }
        try check(code)
        answerClosers(channel, isClean: false)
        return true
    }

    /// Tells everyone who closes the channel how it ended. What remains of it is cleared away without anybody waiting.
    func answerClosers(_ channel: ChannelState, isClean: Bool) {
        let signal = channel.library?.exitSignal
        let end = RemoteEnd(
            isClean: isClean && signal == nil, exitStatus: signal == nil ? channel.library?.exitStatus : nil,
            signal: signal)
        for closer in channel.closers { closer.succeed(end) }
        channel.closers = []
        channel.phase = .freeing(end)
    }

    private func free(_ channel: ChannelState) throws(Lost) -> Bool {
        if let library = channel.library {
            let code = Int(library.free())
            if code == Self.wantsItAgain { return false }
            // libssh2 has freed the channel by now, whatever else it answers.
            channel.library = nil
            try check(code)
        }
        channels.removeAll { $0 === channel }
        return true
    }
}
