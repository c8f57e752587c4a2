import LianSystem
import Synchronization

/// What a command may know of the machine and of the person who called it.
package struct Surroundings: Sendable {
    package let environment: [String: String]
    package let workingFolder: String
    /// A line for people, on stderr.
    package let tell: @Sendable (String) -> Void
    package let stop: StopRequest
    package let isVerbose: Bool

    package init(
        environment: [String: String], workingFolder: String, stop: StopRequest = StopRequest(),
        isVerbose: Bool = false, tell: @escaping @Sendable (String) -> Void
    ) {
        self.environment = environment
        self.workingFolder = workingFolder
        self.stop = stop
        self.isVerbose = isVerbose
        self.tell = tell
    }

    /// A line for people who want to know more.
    package func detail(_ line: @autoclosure () -> String) {
        if isVerbose { tell(line()) }
    }

    package func path(_ given: String) -> String { absolutePath(given, from: workingFolder) }
}

/// A wish that the command ends now: by a signal, or because its time is up. Work that computes looks here once in a
/// while; what waits is cancelled with its task.
package final class StopRequest: Sendable {
    private let reason = Mutex<CloacinaError?>(nil)

    package init() {}

    /// The first one decides.
    package func stop(_ error: CloacinaError) {
        reason.withLock { if $0 == nil { $0 = error } }
    }

    package var error: CloacinaError? { reason.withLock { $0 } }

    package func check() throws(CloacinaError) {
        if let error { throw error }
    }
}
