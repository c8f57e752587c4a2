import Glibc
import LianContext
import LianModel
import LianRemote
import LianSystem

/// The contexts of an attempt, on their way to its runner side by side.
struct TravellingContexts: Sendable {
    private let transfers: [Resolution.Transfer]
    /// The names of all contexts of the build, also of those that this attempt has no need of.
    private let names: [String]
    /// Whether the runner was asked for with a volume. Otherwise rsync does not wait to hear of one.
    private let mayHaveVolume: Bool
    private let sync: ContextSync
    private let reporter: any BuildReporter
    private let timing: Timing
    private let begun: [FirstResult<Void>]

    init(
        of artifacts: [ArtifactRequest], in resolution: Resolution, mayHaveVolume: Bool, sync: ContextSync,
        reporter: any BuildReporter, timing: Timing
    ) {
        transfers = resolution.transfers(of: artifacts)
        names = resolution.transfers.map(\.remoteName)
        self.mayHaveVolume = mayHaveVolume
        self.sync = sync
        self.reporter = reporter
        self.timing = timing
        begun = transfers.map { _ in FirstResult() }
    }

    var count: Int { transfers.count }
    var files: Int { transfers.reduce(0) { $0 + $1.summary.files } }
    var bytes: Int { transfers.reduce(0) { $0.upToLargest(adding: $1.summary.bytes) } }

    struct Sent: Sendable {
        var bytes = 0
        /// Counted from when the runner was reached.
        var milliseconds = 0
        var leaving: [Task<Void, Never>] = []
    }

    /// To this very machine, or to one in the next rack, bytes are sent faster than they are compressed.
    static func compresses(over roundTrip: Duration) -> Bool { roundTrip >= .milliseconds(2) }

    /// rsync waits for its threads at the end of each file, so they are of use for large files only.
    static func threads(for summary: ContextSummary, processors: Int) -> Int {
        summary.bytes / max(1, summary.files) >= 1 << 20 ? min(4, processors) : 0
    }

    /// Returns when the channel of each context is open, or will not be opened any more.
    func haveBegun() async throws {
        for one in begun { try await one.value() }
    }

    /// Sends all contexts. What needs no runner begins at once.
    func send(along approach: RunnerApproach) async throws -> Sent {
        defer { for one in begun { one.settle(.success(())) } }
        let meter = ContextMeter(files: files, bytes: bytes, reporter: reporter, timing: timing)
        let metering = Task {
            if (try? await approach.reached()) != nil { await meter.run() }
        }
        defer { metering.cancel() }
        do {
            var sent = try await withThrowingTaskGroup(of: ContextSync.Sent.self) { group in
                for (transfer, begun) in zip(transfers, begun) {
                    group.addTask { try await send(transfer, along: approach, meter, begun) }
                }
                return try await group.reduce(into: Sent()) { all, one in
                    all.bytes += one.bytes
                    all.leaving.append(one.leaving)
                }
            }
            // Where nothing travels, the runner is not reached yet.
            let reached = try await approach.reached()
            sent.milliseconds = (timing.now() - reached.at).milliseconds
            meter.finish()
            reporter.report(.finished(.sync, "sent \(sent.bytes) bytes in \(sent.milliseconds) ms"))
            return sent
        } catch let failure as RemoteFailure {
            throw failure.lianError(.sync)
        } catch let error as LianError where error.code == .connectionLost {
            // The connection does not know in which phase it broke: here it was the sync.
            throw error.during(.sync)
        }
    }

    private func send(
        _ transfer: Resolution.Transfer, along approach: RunnerApproach, _ meter: ContextMeter,
        _ begun: FirstResult<Void>
    ) async throws -> ContextSync.Sent {
        let compression = try await compression(of: transfer, along: approach)
        func send(at place: ContextSync.Place) async throws -> ContextSync.Sent {
            try await sync.send(transfer, compression, at: place, meter: meter) {
                let reached = try await approach.reached()
                return ContextSync.Destination(
                    host: await reached.connection.host, folder: "\(reached.runner.workDir)/\(transfer.remoteName)")
            } onStart: {
                begun.settle(.success(()))
            }
        }
        do {
            let volume = mayHaveVolume ? try await approach.runner().volume : nil
            return try await send(at: place(of: transfer, on: volume))
        } catch RemoteFailure.volumeUnusable(let reason) {
            reporter.report(
                .note("the runner's volume cannot take the context, which goes beside it: \(onOneLine(reason))"))
            return try await send(at: .workFolder)
        }
    }

    private func place(of transfer: Resolution.Transfer, on volume: RunnerVolume?) -> ContextSync.Place {
        guard let volume, let path = volume.path else { return .workFolder }
        let folder = VolumeFolder(volume: path, name: transfer.remoteName, names: names)
        // Nobody could open a longer path there.
        guard transfer.longestPath(in: folder.path).count <= longestPath else { return .workFolder }
        return .volume(folder, volume.state == .warm ? .kept : .none)
    }

    private func compression(
        of transfer: Resolution.Transfer, along approach: RunnerApproach
    ) async throws -> ContextSync.Compression {
        guard transfer.summary.shrinks, Self.compresses(over: try await approach.roundTrip()) else { return .none }
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return .zstd(threads: Self.threads(for: transfer.summary, processors: processors))
    }
}
