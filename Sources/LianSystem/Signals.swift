import CLinux
import Dispatch
import Glibc

/// The signals by which a person or a CI system ends a build.
package enum EndSignal: Int32, CaseIterable, Sendable {
    case hangup = 1
    case interrupt = 2
    case terminate = 15

    package var name: String {
        switch self {
        case .hangup: "SIGHUP"
        case .interrupt: "SIGINT"
        case .terminate: "SIGTERM"
        }
    }

    fileprivate var isIgnored: Bool {
        var action = sigaction()
        return sigaction(rawValue, nil, &action) == 0 && lian_ignores(&action) != 0
    }

    /// As a shell reports it.
    package var exitStatus: Int32 { 128 + rawValue }
}

/// Delivers the end signals as a stream, in the order in which they came. Nothing is done in a handler. One that the
/// process was started to ignore, as by nohup, stays ignored.
package final class SignalWatcher: Sendable {
    package let signals: AsyncStream<EndSignal>
    // Written once, in init; afterwards only cancelled, which a source allows from any thread.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    /// Returns once each signal is caught: until then a signal ends the process, from then on none is lost.
    package init() {
        let queue = DispatchQueue(label: "signals")
        let (stream, continuation) = AsyncStream.makeStream(of: EndSignal.self)
        signals = stream
        sources = EndSignal.allCases.filter { !$0.isIgnored }.map { end in
            let source = DispatchSource.makeSignalSource(signal: end.rawValue, queue: queue)
            // A source takes the signal over from its default on a thread of its own, some time after `resume`.
            let isCaught = DispatchSemaphore(value: 0)
            source.setRegistrationHandler { isCaught.signal() }
            source.setEventHandler { continuation.yield(end) }
            source.resume()
            isCaught.wait()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }
}

/// A closed pipe is an error of the write that met it, never the end of the process.
package func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
}
