import LianModel

/// How a run ended, as the program that waited for it on the runner tells.
package struct RunEnd: Equatable, Sendable {
    package enum Cause: String, Sendable {
        /// The command ended by itself.
        case ended
        /// We asked for the end.
        case cancelled
        /// Nobody was attached for the whole grace.
        case detached
    }

    /// The shell's `$?`: over 128 where a signal ended the command.
    package var exitStatus: Int32
    package var cause: Cause
    /// The whole log's size.
    package var logBytes: Int
    package var before: KernelOOMCounts
    package var after: KernelOOMCounts
    /// nil where the runner could not tell.
    package var usageAtStart: UsageReading?
    package var usageAtEnd: UsageReading?

    /// The signal that ended the command; nil where it exited.
    package var signal: Int32? { exitStatus > 128 ? exitStatus - 128 : nil }
    package var isSuccess: Bool { exitStatus == 0 && cause == .ended }
    /// OOM kills on the runner during the run; nil where they could not be counted.
    package var kernelOOMKills: Int? { KernelOOMCounts.kills(from: before, to: after) }

    /// STATUS CAUSE SIZE, then SCOPE KILLS HITS before and after, then UPTIME CPU BYTES before and after.
    init?(words: ArraySlice<String>) {
        let words = Array(words)
        guard words.count == 15, let status = OutsideNumber.whole(words[0], in: 0...255),
            let cause = Cause(rawValue: words[1]), let size = OutsideNumber.whole(words[2]),
            let before = KernelOOMCounts(words: words[3..<6]),
            let after = KernelOOMCounts(words: words[6..<9])
        else { return nil }
        exitStatus = Int32(status)
        self.cause = cause
        logBytes = size
        self.before = before
        self.after = after
        usageAtStart = UsageReading(words: words[9..<12])
        usageAtEnd = UsageReading(words: words[12...])
    }
}

extension KernelOOMCounts {
    fileprivate init?(words: ArraySlice<String>) {
        guard let first = words.first, let scope = Scope(rawValue: first) else { return nil }
        self.init(
            scope: scope, oomKills: OutsideNumber.whole(words[words.startIndex + 1]),
            limitHits: OutsideNumber.whole(words[words.startIndex + 2]))
    }
}
