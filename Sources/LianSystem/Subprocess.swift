import CLinux
import Glibc

/// How a child ended.
package enum Termination: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)

    package init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self = signal == 0 ? .exited((waitStatus >> 8) & 0xFF) : .signalled(signal)
    }

    package var isSuccess: Bool { self == .exited(0) }
}

package struct SubprocessResult: Sendable {
    package let termination: Termination
    package let output: [UInt8]
    package let error: [UInt8]

    package var outputText: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: error, as: UTF8.self) }
}

package enum SubprocessFailure: Error, Equatable, Sendable {
    case couldNotStart(SystemError)
    case timedOut
    case tooMuchOutput
    case cancelled
}

/// What a child reads on its standard input.
package enum SubprocessInput: Sendable {
    case bytes([UInt8])
    /// Written piece by piece, on a thread of its own, to the descriptor given; it ends early, by EPIPE, with the
    /// child. For what is too large to be held.
    case writer(@Sendable (_ descriptor: Int32) -> Void)
}

/// Runs a command to its end: both outputs read as they come, at most `outputLimit` bytes each, and its whole process
/// group gone when this returns, however it returns. Without a deadline it is for the caller to cancel. `onSpawn` gets
/// the child's pid.
package func run(
    _ command: Command, input: SubprocessInput = .bytes([]), deadline: Duration?, outputLimit: Int = 4 << 20,
    onSpawn: @escaping @Sendable (pid_t) -> Void = { _ in }
) async throws(SubprocessFailure) -> SubprocessResult {
    let canceller: Waker
    do { canceller = try Waker() } catch { throw .couldNotStart(error) }
    let outcome: Result<SubprocessResult, SubprocessFailure> = await withTaskCancellationHandler {
        // A child is waited for by blocking calls: on a thread of its own, never on the pool's.
        await onOwnThread {
            Result { () throws(SubprocessFailure) in
                try Supervisor(
                    command: command, input: input, deadline: deadline, outputLimit: outputLimit,
                    cancelDescriptor: canceller.descriptor, onSpawn: onSpawn
                ).run()
            }
        }
    } onCancel: {
        canceller.wake()
    }
    return try outcome.get()
}

/// The same on the calling thread, for threads that may block.
package func runBlocking(
    _ command: Command, deadline: Duration, outputLimit: Int = 4 << 20
) throws(SubprocessFailure) -> SubprocessResult {
    // poll(2) passes over a descriptor of -1: nobody cancels this one.
    try Supervisor(
        command: command, input: .bytes([]), deadline: deadline, outputLimit: outputLimit, cancelDescriptor: -1,
        onSpawn: { _ in }
    ).run()
}

private struct Supervisor {
    let command: Command
    let input: SubprocessInput
    let deadline: Duration?
    let outputLimit: Int
    let cancelDescriptor: Int32
    let onSpawn: @Sendable (pid_t) -> Void

    func run() throws(SubprocessFailure) -> SubprocessResult {
        do {
            return try supervise()
        } catch let error as SubprocessFailure {
            throw error
        } catch let error as SystemError {
            throw .couldNotStart(error)
        } catch {
            throw .couldNotStart(SystemError("run", EINVAL))
        }
    }

    private func supervise() throws -> SubprocessResult {
        let stdin = try FileDescriptor.Pipe()
        let stdout = try FileDescriptor.Pipe()
        let stderr = try FileDescriptor.Pipe()
        let pid = try spawnChild(
            command,
            streams: StandardStreams(
                input: stdin.read.raw, output: stdout.write.raw, error: stderr.write.raw))
        onSpawn(pid)
        var reaped = false
        defer { if !reaped { _ = endGroup(pid, politely: false) } }
        let exit = FileDescriptor(owning: try openProcess(pid))
        closeNow(stdin.read)
        closeNow(stdout.write)
        closeNow(stderr.write)
        var feeder = try Feeder(input, descriptor: stdin.write.release())
        defer { feeder.finish() }
        var output = Collector(descriptor: stdout.read.raw, limit: outputLimit)
        var error = Collector(descriptor: stderr.read.raw, limit: outputLimit)
        let start = ContinuousClock.now

        var exited = false
        while !exited {
            let left = deadline.map { $0 - (ContinuousClock.now - start) }
            guard left ?? .seconds(1) > .zero else {
                reaped = true
                _ = endGroup(pid, politely: true)
                throw SubprocessFailure.timedOut
            }
            var polled = [
                pollfd(fd: exit.raw, events: Int16(POLLIN), revents: 0),
                pollfd(fd: cancelDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: output.pollDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: error.pollDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: feeder.pollDescriptor, events: Int16(POLLOUT), revents: 0),
            ]
            guard poll(&polled, nfds_t(polled.count), left?.pollMilliseconds ?? -1) >= 0 || errno == EINTR else {
                throw SystemError("poll")
            }
            if polled[1].revents != 0 {
                reaped = true
                _ = endGroup(pid, politely: true)
                throw SubprocessFailure.cancelled
            }
            if polled[2].revents != 0 { try output.readOnce() }
            if polled[3].revents != 0 { try error.readOnce() }
            if polled[4].revents != 0 { feeder.writeOnce() }
            exited = polled[0].revents != 0
        }
        // What it wrote before its end is still in the pipes; a grandchild that holds them open is ended first.
        kill(-pid, SIGKILL)
        try output.drain()
        try error.drain()
        reaped = true
        let status = endGroup(pid, politely: false)
        return SubprocessResult(
            termination: Termination(waitStatus: status), output: output.bytes, error: error.bytes)
    }

}

/// How long a process that is told to end has for that.
private let grace: Duration = .milliseconds(500)

/// Ends the whole group and reaps its leader, whose wait status it returns. The leader's pid stays taken until it is
/// reaped, so the group's number cannot be another's.
package func endGroup(_ pid: pid_t, politely: Bool) -> Int32 {
    if politely {
        kill(-pid, SIGTERM)
        if let exit = try? openProcess(pid) {
            let descriptor = FileDescriptor(owning: exit)
            var polled = [pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)]
            poll(&polled, 1, grace.pollMilliseconds)
        }
    }
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    return status
}

/// A descriptor that becomes readable when the process ends.
package func openProcess(_ pid: pid_t) throws(SystemError) -> Int32 {
    let descriptor = lian_pidfd_open(pid)
    guard descriptor >= 0 else { throw SystemError("pidfd_open") }
    return descriptor
}

private struct Collector {
    let descriptor: Int32
    let limit: Int
    var bytes: [UInt8] = []
    var ended = false

    init(descriptor: Int32, limit: Int) {
        self.descriptor = descriptor
        self.limit = limit
    }

    var pollDescriptor: Int32 { ended ? -1 : descriptor }

    mutating func readOnce() throws {
        let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
            return count
        }
        if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { ended = true }
        guard bytes.count <= limit else { throw SubprocessFailure.tooMuchOutput }
    }

    /// Reads what is already there, without waiting for more.
    mutating func drain() throws {
        while !ended {
            var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
            guard poll(&polled, 1, 0) > 0 else { return }
            try readOnce()
        }
    }
}

/// Writes the child's input as it takes it and closes the pipe after the last byte.
private struct Feeder {
    let bytes: [UInt8]
    /// -1 where nothing is left to do here.
    var descriptor: Int32
    var sent = 0

    init(_ input: SubprocessInput, descriptor: Int32) throws(SystemError) {
        self.descriptor = descriptor
        switch input {
        case .bytes(let bytes):
            self.bytes = bytes
            if bytes.isEmpty { finish() } else { try setNonBlocking(descriptor) }
        case .writer(let write):
            bytes = []
            self.descriptor = -1
            try startThread {
                write(descriptor)
                close(descriptor)
            }
        }
    }

    var pollDescriptor: Int32 { descriptor }

    mutating func writeOnce() {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent) }
        if count > 0 { sent += count }
        let failed = count < 0 && errno != EINTR && errno != EAGAIN
        if failed || sent == bytes.count { finish() }
    }

    mutating func finish() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

package func setNonBlocking(_ descriptor: Int32) throws(SystemError) {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) >= 0 else { throw SystemError("fcntl") }
}

private func closeNow(_ descriptor: consuming FileDescriptor) {}
