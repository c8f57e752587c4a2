import Glibc
import LianContext
import LianModel
import LianRemote
import LianSSH
import LianSystem

/// Sends a folder to the runner: the local rsync's stream goes through a channel of the one SSH connection to an
/// rsync that the wrapper starts there.
struct ContextSync: Sendable {
    let rsync: String
    /// The program that rsync takes for its remote shell.
    let helper: String
    let environment: [String: String]

    /// In seconds. Neither a stopped process nor a dead disk closes a connection, and rsync's own timeout hears its
    /// other side's signs of life where no data comes any more.
    private static let stallLimit = 60

    static func find(installation: Installation?, environment: [String: String]) throws(LianError) -> ContextSync {
        guard let rsync = findExecutable("rsync", path: environment["PATH"]) else {
            throw LianError(
                .rsyncMissing, .sync, "rsync is needed to send the build context and is not on this machine's PATH",
                hint: "Install rsync here: apt-get install rsync.")
        }
        guard let helper = installation.map({ "\($0.libexec)/lian-rsh" }), findExecutable(helper, path: nil) != nil
        else {
            throw LianError(
                .internalError, .sync, "lian-build's helper lian-rsh is not beside it",
                hint: "Install lian-build whole: its libexec folder holds lian-rsh.")
        }
        // rsync splits the command at spaces; quoted it stays one word, as long as no quote is in it.
        guard !helper.contains("'") else {
            throw LianError(
                .internalError, .sync, "lian-build is installed in a folder with a quote in its name: \(helper)",
                hint: "Install it in another folder.")
        }
        return ContextSync(rsync: rsync, helper: helper, environment: environment)
    }

    func arguments(source: String) -> [String] {
        Context.rsyncArguments + ["--whole-file", "--inplace", "--rsh='\(helper)'", "\(source)/", "runner:context"]
    }

    /// Returns how many bytes went over the wire.
    func send(
        _ transfer: Resolution.Transfer, to folder: String, over connection: SSHConnection, meter: ContextMeter
    ) async throws -> Int {
        let socketFolder = try TemporaryFolder(environment: environment)
        defer { socketFolder.remove() }
        let receiver = try DescriptorReceiver(folder: socketFolder.path)
        defer { receiver.remove() }
        let command = Command(
            rsync, arguments(source: transfer.context.root),
            environment: [
                "PATH": environment["PATH"] ?? "", "HOME": environment["HOME"] ?? "/", "LC_ALL": "C",
                "LIAN_RSH_SOCKET": receiver.path,
            ])
        let walk = WalkOutcome()
        let isJoined = Guarded(false)
        return try await withThrowingTaskGroup(of: Finished.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await carry(receiver, to: folder, over: connection, meter) { isJoined.set(true) }
            }
            group.addTask {
                let input = SubprocessInput.writer { descriptor in
                    walk.run(transfer.context, into: descriptor)
                }
                do throws(SubprocessFailure) {
                    return .rsync(try await run(command, input: input, deadline: nil, outputLimit: 1 << 20))
                } catch {
                    throw Self.failure(error)
                }
            }
            var sent: Int?
            var complaint: LianError?
            while let finished = try await group.next() {
                switch finished {
                case .stream(let bytes): sent = bytes
                case .rsync(let result):
                    try walk.check()
                    complaint = Self.complaint(result)
                    guard let complaint, sent == nil, isJoined.value, Self.otherSideIsGone(result) else { break }
                    // The other side knows why, and tells as soon as its channel has closed.
                    group.addTask {
                        try await Task.sleep(for: .seconds(10))
                        throw complaint
                    }
                    continue
                }
                if let complaint { throw complaint }
            }
            return sent ?? 0
        }
    }

    /// As rsync says it: its stream broke off, the other side could not write, or the remote shell failed.
    private static func otherSideIsGone(_ result: SubprocessResult) -> Bool {
        [10, 11, 12, 255].contains { result.termination == .exited($0) }
    }

    private enum Finished: Sendable {
        case stream(sent: Int)
        case rsync(SubprocessResult)
    }

    /// Joins rsync's two descriptors with the receiver on the runner; says so before it begins.
    private func carry(
        _ receiver: DescriptorReceiver, to folder: String, over connection: SSHConnection, _ meter: ContextMeter,
        joined: () -> Void
    ) async throws -> Finished {
        // rsync starts its remote shell at once; where it ends before that, its own exit tells why.
        guard let handed = try await receiver.receive(deadline: .now + .seconds(60)) else { return .stream(sent: 0) }
        joined()
        let options = try RsyncServerOptions(transportArguments: handed.arguments)
        let channel = try await startRsyncReceiver(on: connection, folder: folder, options: options)
        meter.add(channel)
        do {
            let pumped = try await Self.withoutStalling(channel) {
                try await channel.pump(input: handed.input, output: handed.output)
            }
            let end = await channel.close()
            if let signal = end.signal {
                throw Self.receiverFailed("was ended by signal \(signal)", pumped.errorOutput)
            }
            guard end.isClean, let status = end.exitStatus else {
                throw RemoteFailure.connectionLost("the runner's rsync ended without a word")
            }
            guard status == 0 else { throw Self.receiverFailed("exited with \(status)", pumped.errorOutput) }
            handed.finish(exitStatus: 0)
            return .stream(sent: pumped.sent)
        } catch {
            _ = await channel.close()
            throw error
        }
    }

    /// Runs the body, unless nothing moves through the channel for too long.
    private static func withoutStalling<Value: Sendable>(
        _ channel: any RemoteChannel, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            defer { group.cancelAll() }
            group.addTask(operation: body)
            group.addTask {
                var last = -1
                var quiet = 0
                // Counted, not measured: a machine that slept did not stall.
                while quiet < stallLimit {
                    try await Task.sleep(for: .seconds(1))
                    let moved = channel.sentBytes + channel.receivedBytes
                    quiet = moved == last ? quiet + 1 : 0
                    last = moved
                }
                throw LianError(
                    .contextSyncFailed, .sync,
                    "the build context stopped on its way: nothing has moved for \(stallLimit) s",
                    hint: "Check the network to the runner, and the disks and the rsync processes on both sides.")
            }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }

    private static func receiverFailed(_ how: String, _ words: [UInt8]) -> LianError {
        LianError(
            .contextSyncFailed, .sync, "rsync on the runner \(how)",
            hint: "Its last words say why; a full disk on the runner is the commonest cause.",
            logTail: lines(String(decoding: words, as: UTF8.self)))
    }

    /// Nil where all went well.
    private static func complaint(_ result: SubprocessResult) -> LianError? {
        if result.termination.isSuccess { return nil }
        let how: String =
            switch result.termination {
            // A file vanished between the walk and the transfer.
            case .exited(24): "found that files of the context vanished while they were sent (rsync exit 24)"
            case .exited(let status): "exited with \(status)"
            case .signalled(let signal): "was ended by signal \(signal)"
            }
        return LianError(
            .contextSyncFailed, .sync, "the build context could not be sent: rsync \(how)",
            hint: "Its last words say why; files that change during a build belong into .dockerignore.",
            logTail: lines(result.errorText))
    }

    private static func failure(_ failure: SubprocessFailure) -> any Error {
        switch failure {
        case .cancelled, .timedOut: CancellationError()
        case .couldNotStart(let error):
            LianError(
                .contextSyncFailed, .sync, "rsync could not be started: \(error)",
                hint: "rsync --version should work by itself.")
        case .tooMuchOutput:
            LianError(
                .contextSyncFailed, .sync, "rsync complained without end", hint: "Is the context's disk all right?")
        }
    }

    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").suffix(20).map { onOneLine(String($0)) }
    }
}

/// How the walk that feeds rsync went: it runs beside rsync, on a thread of its own.
private final class WalkOutcome: Sendable {
    private let failure = Guarded<(any Error & Sendable)?>(nil)

    func run(_ context: Context, into descriptor: Int32) {
        do {
            _ = try context.sendTransferList { try writeAll(descriptor, $0) }
        } catch let error as SystemError where error.code == EPIPE {
            // rsync is gone, and says why itself.
        } catch {
            failure.set(error)
        }
    }

    func check() throws {
        if let error = failure.value { throw error }
    }
}
