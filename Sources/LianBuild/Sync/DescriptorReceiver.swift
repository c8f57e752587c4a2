import CLinux
import Glibc
import LianSystem

/// The listening end for `lian-rsh`: takes over the two descriptors of a program that rsync started as its remote
/// shell, and tells it in the end what to exit with.
package final class DescriptorReceiver: Sendable {
    /// The value of LIAN_RSH_SOCKET.
    package let path: String
    private let listener: FileDescriptor

    /// The socket is made in a folder that only this user can enter.
    package init(folder: String) throws(SystemError) {
        path = "\(folder)/rsh.sock"
        listener = try listenOnUnixSocket(path: path)
    }

    /// Takes the socket out of its folder. Not left to `deinit`: a thread that has just stopped waiting may hold the
    /// object for a moment longer than its folder is there.
    package func remove() {
        unlink(path)
    }

    /// Waits for the program; nil where it did not come in time.
    package func receive(deadline: ContinuousClock.Instant) async throws -> HandedDescriptors? {
        let canceller = try Waker()
        let received = await withTaskCancellationHandler {
            await onOwnThread {
                self.waitForHandover(deadline: deadline, canceller: canceller)
            }
        } onCancel: {
            canceller.wake()
        }
        try Task.checkCancellation()
        return received
    }

    private func waitForHandover(deadline: ContinuousClock.Instant, canceller: Waker) -> HandedDescriptors? {
        while canceller.wait(for: POLLIN, on: listener.raw, until: deadline) == .ready {
            let raw = accept(listener.raw, nil, nil)
            guard raw >= 0 else { continue }
            let connection = FileDescriptor(owning: raw)
            _ = fcntl(connection.raw, F_SETFD, FD_CLOEXEC)
            var process: Int32 = 0
            var user: UInt32 = 0
            guard lian_peer(connection.raw, &process, &user) == 0, user == geteuid(),
                canceller.wait(for: POLLIN, on: connection.raw, until: deadline) == .ready
            else { continue }
            var descriptors: [Int32] = [-1, -1]
            if lian_receive_descriptors(connection.raw, &descriptors) == 2 {
                return HandedDescriptors(
                    input: descriptors[0], output: descriptors[1], arguments: Self.arguments(of: process),
                    connection: connection)
            }
            // Whoever connected did not hand over what lian-rsh does.
            for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
        }
        return nil
    }

    /// The program still waits for us, so its pid is still its own.
    private static func arguments(of process: Int32) -> [String] {
        guard let line = fopen("/proc/\(process)/cmdline", "re") else { return [] }
        defer { fclose(line) }
        guard let bytes = try? readToEnd(fileno(line), limit: 1 << 20) else { return [] }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

/// Another program's standard input and output, and the way to end it.
package final class HandedDescriptors: Sendable {
    /// What rsync sends.
    package let input: Int32
    /// What rsync receives.
    package let output: Int32
    /// What the program was started with, its own name left out.
    package let arguments: [String]
    private let connection: FileDescriptor

    fileprivate init(input: Int32, output: Int32, arguments: [String], connection: consuming FileDescriptor) {
        self.input = input
        self.output = output
        self.arguments = arguments
        self.connection = connection
    }

    deinit {
        close(input)
        close(output)
    }

    /// Makes the program exit; the descriptors stay open. Without this call, the program exits as a failed ssh does as
    /// soon as this object is gone.
    package func dismiss(exitStatus: UInt8) {
        var byte = exitStatus
        send(connection.raw, &byte, 1, Int32(MSG_NOSIGNAL))
    }
}
