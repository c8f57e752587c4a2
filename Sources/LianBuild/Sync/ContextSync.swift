import Glibc
import LianChannel
import LianConfiguration
import LianContext
import LianModel
import LianRemote
import LianSystem

/// Sends a folder to the runner: the local rsync's stream goes through a channel of the one SSH connection to an
/// rsync that the wrapper starts there.
struct ContextSync: Sendable {
    let rsync: String
    /// The program that rsync takes for its remote shell.
    let helper: String
    let environment: [String: String]
    let timing: Timing

    /// In seconds. A stopped process or a dead disk does not close a connection, and rsync's own timeout is content
    /// with the other side's signs of life where no data comes any more.
    private static let stallLimit = 60

    static func find(
        installation: Installation?, environment: [String: String], timing: Timing
    ) throws(LianError) -> ContextSync {
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
        return ContextSync(rsync: rsync, helper: helper, environment: environment, timing: timing)
    }

    /// Where a folder goes to on the runner, once a connection stands.
    struct Destination: Sendable {
        let host: any RemoteHost
        let folder: String
    }

    /// Where on the runner a context lies.
    enum Place: Equatable, Sendable {
        /// In a folder of the work folder's, which is new.
        case workFolder
        /// On the runner's volume, which the folder in the work folder then leads to.
        case volume(VolumeFolder, VolumeFolder.Content)

        var isKept: Bool {
            if case .volume(_, .kept) = self { true } else { false }
        }

        var emptied: Place {
            if case .volume(let folder, _) = self { .volume(folder, .none) } else { self }
        }
    }

    enum Compression: Equatable, Sendable {
        case none
        /// At level 1; with no threads of its own, rsync does it itself.
        case zstd(threads: Int)
    }

    /// What both rsyncs are told.
    enum Dialect: Equatable, Sendable {
        /// Options that each version of rsync understands.
        case plain
        /// For rsync 3.2 and later; threads need a later one on this side. SSH already tells whether a byte was changed
        /// on its way. With nothing left to agree upon, a round trip is spared.
        case current(Compression)

        var isCompressed: Bool {
            if case .current(.zstd) = self { true } else { false }
        }

        /// The dialect to try after this one was refused. Only this side hears of threads, so only its refusal can be
        /// about them.
        func older(refusedHere: Bool) -> Dialect? {
            switch self {
            case .current(.zstd(1...)) where refusedHere: .current(.zstd(threads: 0))
            case .current: .plain
            case .plain: nil
            }
        }
    }

    /// How rsync is called; with `deleting`, its arguments for a folder that may hold anything.
    private func arguments(
        _ transfer: Resolution.Transfer, _ dialect: Dialect, deleting: TransferSelection.Deleting?
    ) -> [String] {
        var arguments = (deleting?.arguments ?? transfer.selection.arguments) + ["--whole-file", "--inplace"]
        if case .current(let compression) = dialect {
            // Files are compared by what is in them, and their times to the nanosecond.
            arguments +=
                deleting == nil
                ? ["--checksum-choice=none"] : ["--checksum", "--checksum-choice=none,xxh128", "--modify-window=-1"]
            if case .zstd(let threads) = compression {
                arguments += ["--compress", "--compress-choice=zstd", "--compress-level=1"]
                if threads > 0 { arguments.append("--compress-threads=\(threads)") }
            }
        }
        return arguments + ["--rsh='\(helper)'", "\(transfer.context.root)/", "runner:context"]
    }

    struct Sent: Sendable {
        /// The bytes that went over the wire.
        let bytes: Int
        /// Is over when the runner's rsync has ended; only the connection's end waits for it.
        let leaving: Task<Void, Never>
    }

    /// Starts the local rsync at once, and the runner's as soon as the destination is known. `onStart` is called when
    /// the runner's rsync runs. Throws `volumeUnusable` where the context may still find room beside the volume.
    func send(
        _ transfer: Resolution.Transfer, _ compression: Compression, at place: Place = .workFolder, meter: ContextMeter,
        to destination: @escaping @Sendable () async throws -> Destination, onStart: @escaping @Sendable () -> Void
    ) async throws -> Sent {
        var dialect = Dialect.current(compression)
        var place = place
        while true {
            // Where rsync could not delete what does not belong there, the folder begins empty.
            if dialect == .plain || transfer.selection.deleting == nil { place = place.emptied }
            do {
                return try await send(transfer, dialect, place, meter, to: destination, onStart)
            } catch let exit as RsyncExit {
                if exit.isRefusal, let older = dialect.older(refusedHere: exit.isOurs) {
                    dialect = older
                } else if exit.isPartial, place.isKept {
                    // Of what lies there already, something can be neither changed nor removed.
                    place = place.emptied
                } else if exit.couldNotWrite, place != .workFolder {
                    throw RemoteFailure.volumeUnusable(exit.lastWords)
                } else {
                    throw exit.lianError
                }
            }
        }
    }

    private func send(
        _ transfer: Resolution.Transfer, _ dialect: Dialect, _ place: Place, _ meter: ContextMeter,
        to destination: @escaping @Sendable () async throws -> Destination, _ onStart: @escaping @Sendable () -> Void
    ) async throws -> Sent {
        let deleting = place.isKept ? transfer.selection.deleting : nil
        let socketFolder = try TemporaryFolder(environment: environment)
        defer { socketFolder.remove() }
        let receiver = try DescriptorReceiver(folder: socketFolder.path)
        defer { receiver.remove() }
        let command = Command(
            rsync, arguments(transfer, dialect, deleting: deleting),
            environment: [
                "PATH": environment["PATH"] ?? "", "HOME": environment["HOME"] ?? "/", "LC_ALL": "C",
                "LIAN_RSH_SOCKET": receiver.path,
            ])
        let way = Way()
        let reading = ReadingProcess()
        let carrying = Task<Void, Never> {
            do {
                try await carry(receiver, to: destination, place, way) { sentBytes in
                    // An rsync that compares sends next to nothing, but reads all files.
                    meter.add(dialect.isCompressed || place.isKept ? reading.countFromHere() : sentBytes)
                    onStart()
                }
                way.end.settle(.success(()))
            } catch {
                way.end.settle(.failure(error))
            }
        }
        do {
            let input: @Sendable (WalkOutcome) -> SubprocessInput = { walk in
                deleting.map { .bytes($0.input) } ?? .writer { walk.run(transfer, into: $0) }
            }
            try await follow(command, input, reading, way, isDeleting: deleting != nil)
        } catch {
            carrying.cancel()
            await carrying.value
            throw error
        }
        return Sent(bytes: way.sentBytes.value(), leaving: carrying)
    }

    /// How rsync's bytes travel to the runner and back: shared by the task that carries them and the one that waits for
    /// it.
    private struct Way: Sendable {
        /// The local rsync has handed its side over.
        let isJoined = Guarded(false)
        let sentBytes = Guarded<@Sendable () -> Int>({ 0 })
        let end = FirstResult<Void>()
    }

    private enum Finished: Sendable {
        case way
        case rsync(SubprocessResult)
    }

    /// Runs the local rsync to its end. It reports success only after the runner's rsync has said goodbye, which comes
    /// after all else. How the runner's rsync then exits, up to 20 ms later, says no more, unless it had to delete:
    /// what it could not delete is told by nothing else.
    private func follow(
        _ command: Command, _ input: @escaping @Sendable (WalkOutcome) -> SubprocessInput, _ reading: ReadingProcess,
        _ way: Way, isDeleting: Bool
    ) async throws {
        let walk = WalkOutcome()
        try await withThrowingTaskGroup(of: Finished.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await way.end.value()
                return .way
            }
            group.addTask { .rsync(try await feed(command, walk, input(walk), reading)) }
            var isCarried = false
            var complaint: RsyncExit?
            while let finished = try await group.next() {
                switch finished {
                case .way:
                    if let complaint { throw complaint }
                    isCarried = true
                case .rsync(let result):
                    try walk.check()
                    guard let exit = RsyncExit(ours: result) else {
                        guard isDeleting else { return }
                        continue
                    }
                    guard exit.otherSideIsGone, !isCarried, way.isJoined.value else { throw exit }
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

    /// Runs the local rsync, and beside it the walk that writes its list of files, where it takes one.
    private func feed(
        _ command: Command, _ walk: WalkOutcome, _ input: SubprocessInput, _ reading: ReadingProcess
    ) async throws -> SubprocessResult {
        defer {
            reading.end()
            walk.giveUp()
        }
        do throws(SubprocessFailure) {
            return try await run(
                command, input: input, deadline: nil, outputLimit: 1 << 20, onSpawn: reading.begin)
        } catch {
            throw Self.failure(error)
        }
    }

    /// Joins rsync's two descriptors with the receiver on the runner, as soon as there is one. `onStart` gets the count
    /// of what goes over the wire.
    private func carry(
        _ receiver: DescriptorReceiver, to destination: @Sendable () async throws -> Destination, _ place: Place,
        _ way: Way,
        onStart: (@escaping @Sendable () -> Int) -> Void
    ) async throws {
        // rsync starts its remote shell at once; where it ends before that, its own exit tells why.
        guard let handed = try await receiver.receive(deadline: .now + .seconds(60)) else { return }
        // The descriptors are closed when `handed` is let go.
        defer { withExtendedLifetime(handed) {} }
        way.isJoined.set(true)
        let options = try RsyncServerOptions(transportArguments: handed.arguments)
        // rsync looks only every 20 ms whether its remote shell has ended, so the shell ends now. How the runner's
        // rsync did is known from the channel.
        handed.dismiss(exitStatus: 0)
        let there = try await destination()
        let volume: (VolumeFolder, VolumeFolder.Content)? =
            if case .volume(let folder, let content) = place { (folder, content) } else { nil }
        let channel = try await startRsyncReceiver(
            on: there.host, folder: there.folder, volume: volume, options: options)
        let before = channel.sentBytes
        way.sentBytes.set { channel.sentBytes - before }
        onStart(way.sentBytes.value)
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
                throw LianError(
                    .contextSyncFailed, .sync,
                    "the build context stopped on its way: nothing has moved for \(Self.stallLimit) s",
                    hint: "Check the network to the runner, and the disks and the rsync processes on both sides.")
            }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }

    private static func failure(_ failure: SubprocessFailure) -> any Error {
        switch failure {
        case .cancelled, .timedOut: CancellationError()
        case .couldNotStart(let error):
            LianError(
                .contextSyncFailed, .sync, "rsync could not be started: \(error)",
                hint: "rsync --version should work by itself.")
        case .tooMuchOutput: RsyncExit.endlessComplaints
        }
    }
}

/// An rsync that did not do what it should, on either side.
private struct RsyncExit: Error {
    private enum Side {
        case ours, runners
    }

    private enum End: Equatable {
        case status(Int32)
        case signal(String)
        case ofOurs
    }

    private let side: Side
    private let end: End
    private let words: String

    /// It complained about more than anybody reads, and was ended.
    static let endlessComplaints = RsyncExit(side: .ours, end: .ofOurs, words: "")

    private init(side: Side, end: End, words: String) {
        self.side = side
        self.end = end
        self.words = words
    }

    /// Nil where all went well.
    init?(ours result: SubprocessResult) {
        switch result.termination {
        case .exited(0): return nil
        case .exited(let status): end = .status(status)
        case .signalled(let signal): end = .signal("\(signal)")
        }
        side = .ours
        words = result.errorText
    }

    /// Nil where nothing shows that the runner's rsync failed.
    init?(runners end: RemoteEnd, words: [UInt8]) {
        if let signal = end.signal {
            self.end = .signal(signal)
        } else if end.isClean, let status = end.exitStatus, status != 0 {
            self.end = .status(status)
        } else {
            return nil
        }
        side = .runners
        self.words = String(decoding: words, as: UTF8.self)
    }

    /// rsync does not know what it was told: an option (1), or what an option names (4).
    var isRefusal: Bool { [1, 4].contains { end == .status($0) } }

    var isOurs: Bool { side == .ours }

    /// Some of the files could not be transferred, or not be deleted.
    var isPartial: Bool { end == .status(23) || end == .ofOurs }

    /// The runner's rsync could not write a file: its disk is full, or fails.
    var couldNotWrite: Bool { end == .status(11) && !isOurs }

    /// As rsync and the system say it. Of this side rsync only reads.
    private var filledDisk: Bool { words.contains("No space left on device") }

    /// The last line that says why.
    var lastWords: String {
        words.split(separator: "\n").last { !$0.hasPrefix("rsync error:") }.map(String.init) ?? "rsync exited with 11"
    }

    /// rsync's statuses for this: its stream broke off, the other side could not write, or the remote shell failed.
    var otherSideIsGone: Bool { [10, 11, 12, 255].contains { end == .status($0) } }

    var lianError: LianError {
        let how: String =
            switch (end, side) {
            // A file vanished between the walk and the transfer.
            case (.status(24), .ours): "found that files of the context vanished while they were sent (rsync exit 24)"
            case (.status(let status), _): "exited with \(status)"
            case (.signal(let signal), _): "was ended by signal \(signal)"
            case (.ofOurs, _): "complained without end"
            }
        let logTail = words.split(separator: "\n").suffix(20).map { onOneLine(String($0)) }
        if filledDisk {
            return LianError(
                .diskFull, .sync, "the build context filled the runner's disk", hint: RemoteFailure.diskHint,
                logTail: logTail)
        }
        switch side {
        case .runners:
            return LianError(
                .contextSyncFailed, .sync, "rsync on the runner \(how)",
                hint: "Its last words say why; a full disk on the runner is the commonest cause.", logTail: logTail)
        case .ours:
            return LianError(
                .contextSyncFailed, .sync, "the build context could not be sent: rsync \(how)",
                hint: "Its last words say why; files that change during a build belong into .dockerignore.",
                logTail: logTail)
        }
    }
}

/// How the walk that feeds rsync went: it runs beside rsync, on a thread of its own.
private final class WalkOutcome: Sendable {
    private let failure = Guarded<(any Error & Sendable)?>(nil)
    private let isGivenUp = Guarded(false)

    /// From here on nobody reads the list.
    func giveUp() { isGivenUp.set(true) }

    func run(_ transfer: Resolution.Transfer, into descriptor: Int32) {
        do {
            try transfer.context.sendTransferList(transfer.selection, isGivenUp: { self.isGivenUp.value }) {
                try writeAll(descriptor, $0)
            }
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
