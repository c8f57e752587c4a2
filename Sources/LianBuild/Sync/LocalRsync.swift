import LianChannel
import LianConfiguration
import LianModel
import LianRemote
import LianSystem

/// This machine's rsync. Its stream goes through a channel of the one SSH connection to an rsync that the wrapper starts
/// on the runner.
struct LocalRsync: Sendable {
    let program: String
    /// The program that rsync takes for its remote shell.
    let helper: String
    let environment: [String: String]
    let timing: Timing

    /// In seconds. A stopped process or a dead disk does not close a connection, and rsync's own timeout is content
    /// with the other side's signs of life where no data comes any more.
    private static let stallLimit = 60

    /// Throws what speaks against sending a context, before there is a runner to send it to.
    static func find(
        installation: Installation?, environment: [String: String], timing: Timing
    ) throws(LianError) -> LocalRsync {
        guard let program = findExecutable("rsync", path: environment["PATH"]) else {
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
        let rsync = LocalRsync(program: program, helper: helper, environment: environment, timing: timing)
        try rsync.makeSocketFolder().remove()
        return rsync
    }

    private func makeSocketFolder() throws(LianError) -> TemporaryFolder {
        do throws(SystemError) {
            return try TemporaryFolder(environment: environment)
        } catch {
            throw LianError(
                .invalidArgument, .sync, "no folder can be made for what is not kept: \(error)",
                hint: "Let TMPDIR name a folder that is there and can be written to; without it, /tmp is taken.")
        }
    }

    /// The argument that names the remote shell.
    var shell: String { "--rsh='\(helper)'" }

    /// What the local rsync reads, and how that goes.
    struct Feed: Sendable {
        var input: SubprocessInput = .bytes([])
        /// Throws what went wrong with the input, which rsync cannot know.
        var check: @Sendable () throws -> Void = {}
        /// Called when nobody reads it any more.
        var giveUp: @Sendable () -> Void = {}
    }

    /// Runs the local rsync at once, and joins it with the channel that `open` opens for the arguments which rsync gives
    /// its remote shell. The task that is returned ends with the runner's rsync, for which nobody has to wait unless
    /// `waitsForOtherSide`: the local one reports success only after the other one has said goodbye, which comes after
    /// all else. How that one then exits, up to 20 ms later, says no more, unless it had to delete.
    func run(
        _ arguments: [String], _ feed: Feed = Feed(), reading: ReadingProcess = ReadingProcess(),
        receives: Bool = false, waitsForOtherSide: Bool = false,
        open: @escaping @Sendable ([String]) async throws -> any RemoteChannel
    ) async throws -> Task<Void, Never> {
        let socketFolder = try makeSocketFolder()
        defer { socketFolder.remove() }
        let receiver = try DescriptorReceiver(folder: socketFolder.path)
        defer { receiver.remove() }
        let command = Command(
            program, arguments,
            environment: [
                "PATH": environment["PATH"] ?? "", "HOME": environment["HOME"] ?? "/", "LC_ALL": "C",
                "LIAN_RSH_SOCKET": receiver.path,
            ])
        let way = Way()
        let carrying = Task<Void, Never> {
            do {
                try await carry(receiver, way, open: open)
                way.end.settle(.success(()))
            } catch {
                way.end.settle(.failure(error))
            }
        }
        do {
            try await follow(command, feed, reading, way, receives: receives, waitsForOtherSide: waitsForOtherSide)
        } catch {
            carrying.cancel()
            // On a slow line a channel may take long to close. Whoever was cancelled clears away here at once.
            if !Task.isCancelled { await carrying.value }
            throw error
        }
        return carrying
    }

    /// How rsync's bytes travel to the runner and back: shared by the task that carries them and the one that waits for
    /// it.
    private struct Way: Sendable {
        /// The local rsync has handed its side over.
        let isJoined = Guarded(false)
        let end = FirstResult<Void>()
    }

    private enum Finished: Sendable {
        /// With what the runner's rsync exited with, where it failed and this side may know better why.
        case way(RsyncExit?)
        case rsync(SubprocessResult)
    }

    private func follow(
        _ command: Command, _ feed: Feed, _ reading: ReadingProcess, _ way: Way, receives: Bool, waitsForOtherSide: Bool
    ) async throws {
        try await withThrowingTaskGroup(of: Finished.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    try await way.end.value()
                    return .way(nil)
                } catch let exit as RsyncExit where receives {
                    return .way(exit)
                }
            }
            group.addTask { .rsync(try await start(command, feed, reading)) }
            var isCarried = false
            var complaint: RsyncExit?
            var runners: RsyncExit?
            while let finished = try await group.next() {
                switch finished {
                case .way(let exit):
                    if let complaint { throw exit ?? complaint }
                    runners = exit
                    isCarried = true
                case .rsync(let result):
                    try feed.check()
                    guard let exit = RsyncExit(ours: result) else {
                        guard waitsForOtherSide else { return }
                        continue
                    }
                    if let runners, !exit.isOfFilesHere { throw runners }
                    guard exit.otherSideIsGone, !(receives && exit.isOfFilesHere), !isCarried, way.isJoined.value else {
                        throw exit
                    }
                    // The runner's rsync knows why, and tells as soon as its channel has closed.
                    complaint = exit
                    group.addTask {
                        try await timing.sleep(.seconds(10))
                        throw exit
                    }
                }
            }
        }
    }

    private func start(
        _ command: Command, _ feed: Feed, _ reading: ReadingProcess
    ) async throws -> SubprocessResult {
        defer {
            reading.end()
            feed.giveUp()
        }
        do throws(SubprocessFailure) {
            return try await LianSystem.run(
                command, input: feed.input, deadline: nil, outputLimit: 1 << 20, onSpawn: reading.begin)
        } catch {
            switch error {
            case .cancelled, .timedOut: throw CancellationError()
            case .couldNotStart(let error): throw RsyncExit.notStarted(error)
            case .tooMuchOutput: throw RsyncExit.endlessComplaints
            }
        }
    }

    /// Joins rsync's two descriptors with the channel to the runner, as soon as there is one.
    private func carry(
        _ receiver: DescriptorReceiver, _ way: Way, open: ([String]) async throws -> any RemoteChannel
    ) async throws {
        // rsync starts its remote shell at once; where it ends before that, its own exit tells why.
        guard let handed = try await receiver.receive(deadline: .now + .seconds(60)) else { return }
        // The descriptors are closed when `handed` is let go.
        defer { withExtendedLifetime(handed) {} }
        way.isJoined.set(true)
        // rsync looks only every 20 ms whether its remote shell has ended, so the shell ends now. How the runner's
        // rsync did is known from the channel.
        handed.dismiss(exitStatus: 0)
        let channel = try await open(handed.arguments)
        do {
            let pumped = try await withoutStalling(channel) {
                try await channel.pump(input: handed.input, output: handed.output)
            }
            let end = await channel.close()
            if let exit = RsyncExit(runners: end, words: pumped.errorOutput) { throw exit }
            guard end.isClean, end.exitStatus != nil else {
                throw RemoteFailure.connectionLost("the runner's rsync ended without a word")
            }
        } catch {
            _ = await channel.close()
            throw error
        }
    }

    /// Runs the body, unless nothing moves through the channel for too long.
    private func withoutStalling<Value: Sendable>(
        _ channel: any RemoteChannel, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            defer { group.cancelAll() }
            group.addTask(operation: body)
            group.addTask {
                var last = -1
                var quiet = 0
                // Seconds are counted, not measured by a clock: a machine that slept did not stall.
                while quiet < Self.stallLimit {
                    try await timing.sleep(.seconds(1))
                    let moved = channel.sentBytes + channel.receivedBytes
                    quiet = moved == last ? quiet + 1 : 0
                    last = moved
                }
                throw RsyncExit.stalled(seconds: Self.stallLimit)
            }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }
}
