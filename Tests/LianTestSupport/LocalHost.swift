import Foundation
import Glibc
import LianChannel
import LianSystem
import Synchronization

/// A runner that is this machine: runs each command as sshd does, by `sh -c` in a session of its own with two
/// sockets, and can lose its connections.
package final class LocalHost: RemoteHost {
    private let environment: [String: String]
    private let launcher: [String]
    private let channels = Mutex<[LocalChannel]>([])

    /// The launcher, where there is one, gets the shell's command line appended to its own.
    package init(environment: [String: String] = [:], launcher: [String] = []) {
        self.environment = ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"].merging(environment) { $1 }
        self.launcher = launcher
    }

    package func execute(_ command: String) async throws -> any RemoteChannel {
        let line = launcher + ["/bin/sh", "-c", command]
        let channel = try LocalChannel(Command(line[0], Array(line.dropFirst()), environment: environment))
        channels.withLock { $0.append(channel) }
        return channel
    }

    /// As a connection that breaks: both sides see the end, and no process is ended.
    package func cut() {
        for channel in channels.withLock({ $0 }) { channel.cut() }
    }

    /// The pids of the shells that were started, each the leader of its session.
    package var pids: [pid_t] { channels.withLock { $0.map(\.pid) } }
}

package struct LocalChannelBroken: Error {}

package final class LocalChannel: RemoteChannel {
    package let pid: pid_t
    private let stream: FileDescriptor
    private let errors: FileDescriptor
    private let exit: Task<Int32, Never>
    private let state = Mutex((isCut: false, streamOpen: true, errorsOpen: true))
    private let sent = Atomic(0)
    private let received = Atomic(0)

    fileprivate init(_ command: Command) throws {
        let stream = try socketPair()
        let errors = try socketPair()
        let pid = try spawnChild(
            command, streams: StandardStreams(input: stream.1, output: stream.1, error: errors.1), newSession: true)
        Glibc.close(stream.1)
        Glibc.close(errors.1)
        self.pid = pid
        self.stream = FileDescriptor(owning: stream.0)
        self.errors = FileDescriptor(owning: errors.0)
        exit = Task {
            await onOwnThread {
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
                return status
            }
        }
    }

    package var sentBytes: Int { sent.load(ordering: .relaxed) }
    package var receivedBytes: Int { received.load(ordering: .relaxed) }

    func cut() {
        state.withLock { $0.isCut = true }
        hangUp()
    }

    private func hangUp() {
        // A shut down socket wakes whoever blocks on it, on both sides; it is closed with its owner.
        shutdown(stream.raw, Int32(SHUT_RDWR))
        shutdown(errors.raw, Int32(SHUT_RDWR))
    }

    package func write(_ bytes: [UInt8]) async throws {
        let written = await onOwnThread { [self] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes { buffer in
                    send(stream.raw, buffer.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
        if !written { throw LocalChannelBroken() }
        sent.wrappingAdd(bytes.count, ordering: .relaxed)
    }

    package func closeInput() async throws {
        shutdown(stream.raw, Int32(SHUT_WR))
    }

    package func read() async throws -> RemoteOutput? {
        try await onOwnThread { [self] in Result { try readNow() } }.get()
    }

    private func readNow() throws -> RemoteOutput? {
        while true {
            let open = state.withLock { $0 }
            if open.isCut { throw LocalChannelBroken() }
            if !open.streamOpen && !open.errorsOpen { return nil }
            var polled = [
                pollfd(fd: open.streamOpen ? stream.raw : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: open.errorsOpen ? errors.raw : -1, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polled, 2, -1)
            if state.withLock({ $0.isCut }) { throw LocalChannelBroken() }
            if polled[1].revents != 0 {
                let bytes = receive(errors.raw)
                if !bytes.isEmpty { return .error(bytes) }
                state.withLock { $0.errorsOpen = false }
            } else if polled[0].revents != 0 {
                let bytes = receive(stream.raw)
                if !bytes.isEmpty { return .output(bytes) }
                state.withLock { $0.streamOpen = false }
            }
        }
    }

    private func receive(_ descriptor: Int32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            received.wrappingAdd(count, ordering: .relaxed)
        }
    }

    package func pump(input: Int32, output: Int32) async throws -> PumpResult {
        try await withTaskCancellationHandler {
            try await pumpToTheEnd(input: input, output: output)
        } onCancel: {
            hangUp()
        }
    }

    private func pumpToTheEnd(input: Int32, output: Int32) async throws -> PumpResult {
        let upward = Task {
            var sent = 0
            while true {
                guard let bytes = await onOwnThread({ readWaiting(input) }) else {
                    if Task.isCancelled { return sent }
                    continue
                }
                if bytes.isEmpty { break }
                // Where the command has ended, its output tells so.
                do { try await write(bytes) } catch { return sent }
                sent += bytes.count
            }
            try await closeInput()
            return sent
        }
        var received = 0
        var errorOutput: [UInt8] = []
        while let piece = try await read() {
            switch piece {
            case .output(let bytes):
                try await onOwnThread { Result { () throws(SystemError) in try writeAll(output, bytes) } }.get()
                received += bytes.count
            case .error(let bytes): errorOutput += bytes
            }
        }
        // The command is done; what the input may still hold nobody takes.
        upward.cancel()
        return PumpResult(sent: try await upward.value, received: received, errorOutput: errorOutput)
    }

    package func close() async -> RemoteEnd {
        hangUp()
        let status = try? await withinLimit(.seconds(5)) { [exit] in await exit.value }
        let cut = state.withLock { $0.isCut }
        guard !cut, let status = status ?? nil else {
            return RemoteEnd(isClean: false, exitStatus: nil, signal: nil)
        }
        switch Termination(waitStatus: status) {
        case .exited(let code): return RemoteEnd(isClean: true, exitStatus: code, signal: nil)
        case .signalled(let signal): return RemoteEnd(isClean: true, exitStatus: nil, signal: "\(signal)")
        }
    }
}

/// Nil where nothing comes for a moment; empty at the end.
private func readWaiting(_ descriptor: Int32) -> [UInt8]? {
    var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    guard poll(&polled, 1, 100) > 0 else { return nil }
    return [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
        count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
}

private func socketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("socketpair") }
    return (ends[0], ends[1])
}
