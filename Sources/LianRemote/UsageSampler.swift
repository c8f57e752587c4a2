import LianChannel
import LianModel
import LianSystem

/// Collects the samples of one build, over a channel of its own and over as many connections as the build takes.
package actor UsageSampler {
    package private(set) var peaks = UsagePeaks()
    private var line: [UInt8] = []
    private let show: @Sendable (UsageSample) -> Void

    private static let lineLimit = 200

    /// Each sample is shown as it comes.
    package init(show: @escaping @Sendable (UsageSample) -> Void = { _ in }) {
        self.show = show
    }

    /// Samples until the channel ends or the task is cancelled, with the room on the disk of that folder. A lost
    /// connection is no error here: the build goes on measuring over the next one.
    package func sample(on host: any RemoteHost, disk: String, silenceLimit: Duration = .seconds(20)) async throws {
        peaks.interrupt()
        line = []
        var request = WrapperRequest("sample")
        try request.value(disk)
        let channel = try await WrapperChannel.open(on: host, request: request, silenceLimit: silenceLimit)
        do {
            while let message = try await channel.next() {
                if case .stream(let bytes) = message { add(bytes) }
            }
        } catch {
            await channel.close()
            switch error {
            case RemoteFailure.connectionLost, is CancellationError: return
            default: throw error
            }
        }
        await channel.close()
    }

    /// Adds what was measured at the two ends of a run.
    package func add(_ end: RunEnd) {
        if let begun = end.usageAtStart, let ended = end.usageAtEnd { peaks.add(from: begun, to: ended) }
    }

    private func add(_ bytes: [UInt8]) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if let sample = peaks.add(line: String(decoding: line, as: UTF8.self)) { show(sample) }
                line.removeAll(keepingCapacity: true)
            } else if line.count < Self.lineLimit {
                line.append(byte)
            }
        }
    }
}
