import LianChannel
import LianModel
import LianRemote
import LianSystem

/// An rsync that did not do what it should, on either side.
struct RsyncExit: Error {
    private enum Side {
        case ours, runners
    }

    private enum End: Equatable {
        case status(Int32)
        case signal(String)
        case ofOurs
        /// Nothing moved for so many seconds.
        case stalled(Int)
        case notStarted(SystemError)
    }

    private let side: Side
    private let end: End
    private let words: String

    /// It complained about more than anybody reads, and was ended.
    static let endlessComplaints = RsyncExit(side: .ours, end: .ofOurs, words: "")

    static func stalled(seconds: Int) -> RsyncExit { RsyncExit(side: .ours, end: .stalled(seconds), words: "") }

    static func notStarted(_ error: SystemError) -> RsyncExit {
        RsyncExit(side: .ours, end: .notStarted(error), words: "")
    }

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

    /// As an rsync that receives says it; one that sends has no file to write.
    var isOfFilesHere: Bool { end == .status(11) && isOurs }

    var connectionIsLost: Bool { isOurs && [10, 12, 255].contains { end == .status($0) } }

    /// As rsync and the system say it, on the side that writes.
    private var filledDisk: Bool { words.contains("No space left on device") }

    /// The last line that says why.
    var lastWords: String {
        words.split(separator: "\n").last { !$0.hasPrefix("rsync error:") }.map(String.init) ?? "rsync exited with 11"
    }

    /// rsync's statuses for this: its stream broke off, the other side could not write, or the remote shell failed.
    var otherSideIsGone: Bool { [10, 11, 12, 255].contains { end == .status($0) } }

    private var logTail: [String] { words.split(separator: "\n").suffix(20).map { onOneLine(String($0)) } }

    private var how: String {
        switch (end, side) {
        // A file vanished between being listed and being sent.
        case (.status(24), .ours): "found that files vanished while they were sent (rsync exit 24)"
        case (.status(let status), _): "exited with \(status)"
        case (.signal(let signal), _): "was ended by signal \(signal)"
        case (.ofOurs, _): "complained without end"
        case (.stalled(let seconds), _): "moved nothing for \(seconds) s"
        case (.notStarted(let error), _): "could not be started: \(error)"
        }
    }

    /// Of a context on its way to the runner.
    var lianError: LianError {
        if filledDisk {
            return LianError(
                .diskFull, .sync, "the build context filled the runner's disk", hint: RemoteFailure.diskHint,
                logTail: logTail)
        }
        switch (end, side) {
        case (.stalled(let seconds), _):
            return LianError(
                .contextSyncFailed, .sync,
                "the build context stopped on its way: nothing has moved for \(seconds) s",
                hint: "Check the network to the runner, and the disks and the rsync processes on both sides.")
        case (.notStarted, _):
            return LianError(
                .contextSyncFailed, .sync, "rsync \(how)", hint: "rsync --version should work by itself.")
        case (_, .runners):
            return LianError(
                .contextSyncFailed, .sync, "rsync on the runner \(how)",
                hint: "Its last words say why; a full disk on the runner is the commonest cause.", logTail: logTail)
        case (_, .ours):
            return LianError(
                .contextSyncFailed, .sync, "the build context could not be sent: rsync \(how)",
                hint: "Its last words say why; files that change during a build belong into .dockerignore.",
                logTail: logTail)
        }
    }

    /// Of an output on its way to the caller.
    func outputError(_ dest: String) -> LianError {
        let isFull = filledDisk && isOurs
        return LianError(
            .outputFailed, .build,
            "the build went well, but \(dest) could not be brought here: "
                + (isFull ? "this machine's disk is full" : "rsync \(isOurs ? "" : "on the runner ")\(how)"),
            hint: "What was there before is as it was. rsync's last words say why.", logTail: logTail)
    }
}
