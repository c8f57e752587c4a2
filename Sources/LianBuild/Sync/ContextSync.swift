import LianChannel
import LianContext
import LianModel
import LianRemote
import LianSystem

/// Sends a folder to the runner: the local rsync's stream goes through a channel of the one SSH connection to an
/// rsync that the wrapper starts there.
struct ContextSync: Sendable {
    let rsync: LocalRsync

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
        return arguments + [rsync.shell, "\(transfer.context.root)/", "runner:context"]
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
        let walk = WalkOutcome()
        let reading = ReadingProcess()
        let sentBytes = Guarded<@Sendable () -> Int>({ 0 })
        let feed = LocalRsync.Feed(
            input: deleting.map { .bytes($0.input) } ?? .writer { walk.run(transfer, into: $0) }, check: walk.check,
            giveUp: walk.giveUp)
        let volume: (VolumeFolder, VolumeFolder.Content)? =
            if case .volume(let folder, let content) = place { (folder, content) } else { nil }
        // What the runner's rsync could not delete is told by nothing but its exit.
        let leaving = try await rsync.run(
            arguments(transfer, dialect, deleting: deleting), feed, reading: reading, waitsForOtherSide: deleting != nil
        ) { arguments in
            let options = try RsyncServerOptions(transportArguments: arguments)
            let there = try await destination()
            let channel = try await startRsyncReceiver(
                on: there.host, folder: there.folder, volume: volume, options: options)
            let before = channel.sentBytes
            let sent: @Sendable () -> Int = { channel.sentBytes - before }
            sentBytes.set(sent)
            // An rsync that compares sends next to nothing, but reads all files.
            meter.add(dialect.isCompressed || place.isKept ? reading.countFromHere() : sent)
            onStart()
            return channel
        }
        return Sent(bytes: sentBytes.value(), leaving: leaving)
    }
}
