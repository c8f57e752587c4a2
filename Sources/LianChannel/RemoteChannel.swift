/// A piece of what a remote command said.
package enum RemoteOutput: Equatable, Sendable {
    case output([UInt8])
    case error([UInt8])
}

/// How a remote command's channel ended. A success needs all of it: a clean end, no signal, and a status that was
/// really sent.
package struct RemoteEnd: Equatable, Sendable {
    /// Both sides closed the channel in order; false where the connection or the session died.
    package var isClean: Bool
    /// The exit status, where one can be trusted to have been sent.
    package var exitStatus: Int32?
    /// The signal that ended it, as SSH names it (without SIG).
    package var signal: String?

    package init(isClean: Bool, exitStatus: Int32?, signal: String?) {
        self.isClean = isClean
        self.exitStatus = exitStatus
        self.signal = signal
    }
}

/// The channel takes and gives no more: its command has ended, or this side closed it. `close` tells how it ended.
package struct RemoteChannelClosed: Error {
    package init() {}
}

/// What a pump moved, once both directions are done.
package struct PumpResult: Sendable {
    package let sent: Int
    package let received: Int
    /// The last of what the remote command said on its standard error.
    package let errorOutput: [UInt8]

    package init(sent: Int, received: Int, errorOutput: [UInt8]) {
        self.sent = sent
        self.received = received
        self.errorOutput = errorOutput
    }
}

/// A command that runs on the other side: its input, its two outputs, and its end.
package protocol RemoteChannel: AnyObject, Sendable {
    /// Bytes that went to the other side so far, by `write` and `pump` alike, and that came from it; asked for at any
    /// time.
    var sentBytes: Int { get }
    var receivedBytes: Int { get }
    /// Waits until the other side has room for all of it; RemoteChannelClosed where the command ended before.
    func write(_ bytes: [UInt8]) async throws
    func closeInput() async throws
    /// The next piece of either output; nil at the end of both.
    func read() async throws -> RemoteOutput?
    /// Joins two local descriptors with the channel until the command's output has ended: what `input` holds goes to
    /// the command, its output to `output`. Both become non-blocking and stay their owner's; the end of `input` closes
    /// the command's input. `read` and `write` have no place beside it.
    func pump(input: Int32, output: Int32) async throws -> PumpResult
    /// Closes the channel and tells how it ended. Safe to call at any time, more than once; only a channel that was
    /// read to its end can have ended cleanly.
    func close() async -> RemoteEnd
}

/// Something that runs commands for us: an SSH connection, or a shell of this machine in a test.
package protocol RemoteHost: Sendable {
    func execute(_ command: String) async throws -> any RemoteChannel
}
