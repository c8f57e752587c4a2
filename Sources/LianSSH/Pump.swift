import Glibc
import LianChannel
import LianSystem

/// Joins two local descriptors with a channel on the session's own thread. Bytes go through one buffer for each
/// direction, between the descriptor and libssh2, and nowhere else.
final class Pump {
    /// Bytes moved at a time: smaller pieces are slower, larger ones gain nothing.
    private static let bufferSize = 256 << 10
    private static let errorLimit = 64 << 10

    let input: Int32
    let output: Int32
    private var completion: Completion<PumpResult>?
    private let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    private let incoming = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    private var outgoingRange = 0..<0
    private var incomingRange = 0..<0
    private var errorOutput: [UInt8] = []
    private(set) var inputEnded = false
    private var outputBroken = false
    private var sent = 0
    private var received = 0

    init(input: Int32, output: Int32, completion: Completion<PumpResult>) throws(SystemError) {
        self.input = input
        self.output = output
        self.completion = completion
        try setNonBlocking(input)
        try setNonBlocking(output)
    }

    deinit {
        outgoing.deallocate()
        incoming.deallocate()
    }

    /// Nobody waits any more: the descriptors may be closed, so they are not touched from here on. A write that
    /// libssh2 has half done still needs its buffer.
    var isDetached: Bool { completion == nil }
    var isCancelled: Bool { completion?.isCancelled ?? false }

    func detach(_ error: any Error) {
        completion?.fail(error)
        completion = nil
    }

    func finish() {
        completion?.succeed(PumpResult(sent: sent, received: received, errorOutput: errorOutput))
        completion = nil
    }

    // MARK: From the input to the channel

    /// What is to be written to the channel next; the same until `didSend`.
    var pending: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: outgoing[outgoingRange]) }

    var wantsInput: Bool { !isDetached && !inputEnded && outgoingRange.isEmpty }

    func fillFromInput() {
        guard wantsInput else { return }
        let count = Glibc.read(input, outgoing.baseAddress, outgoing.count)
        if count > 0 {
            outgoingRange = 0..<count
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            inputEnded = true
        }
    }

    func didSend(_ count: Int) {
        sent += count
        outgoingRange = outgoingRange.lowerBound + count..<outgoingRange.upperBound
    }

    /// The other side takes no more.
    func stopInput() {
        inputEnded = true
        outgoingRange = 0..<0
    }

    // MARK: From the channel to the output

    /// Where the channel's next bytes belong; nil while the last ones have not gone out.
    var room: UnsafeMutableRawBufferPointer? { incomingRange.isEmpty ? incoming : nil }

    var wantsOutput: Bool { !isDetached && !incomingRange.isEmpty }

    func didReceive(_ count: Int) {
        received += count
        if !outputBroken { incomingRange = 0..<count }
    }

    func didReceiveError(_ bytes: some Collection<UInt8>) {
        errorOutput.append(contentsOf: bytes)
        let excess = errorOutput.count - Self.errorLimit
        if excess > 0 { errorOutput.removeFirst(excess) }
    }

    func drainToOutput() {
        guard wantsOutput else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: incoming[incomingRange])
        let count = Glibc.write(output, bytes.baseAddress, bytes.count)
        if count > 0 {
            incomingRange = incomingRange.lowerBound + count..<incomingRange.upperBound
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            // Its reader is gone. The rest is read and dropped, so that the remote command can come to its end.
            outputBroken = true
            incomingRange = 0..<0
        }
    }
}
