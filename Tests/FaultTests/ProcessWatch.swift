import Glibc
import LianSystem
import LianTestSupport
import Synchronization

/// Looks through this machine's processes again and again, for all cases at once: what they show of a case's secrets, and
/// how much memory its builds hold. One look for all, since it costs more the more processes there are.
final class ProcessWatch: Sendable {
    /// What is watched for one case.
    final class Subject: Sendable {
        fileprivate let secrets: PlantedSecrets
        private let state = Mutex((builds: [pid_t](), shown: Set<String>(), peakMemory: 0))

        fileprivate init(_ secrets: PlantedSecrets) {
            self.secrets = secrets
        }

        func add(build: pid_t) { state.withLock { $0.builds.append(build) } }

        var shown: Set<String> { state.withLock(\.shown) }

        /// The most that a build was seen to hold, in bytes.
        var peakMemory: Int { state.withLock(\.peakMemory) }

        fileprivate func take(_ shown: [String]) {
            state.withLock { state in
                state.shown.formUnion(shown)
                state.peakMemory = state.builds.reduce(state.peakMemory) {
                    max($0, LianTestSupport.peakMemory(of: $1))
                }
            }
        }
    }

    private let state = Mutex((subjects: [Subject](), looks: 0, isOver: false))

    init() throws {
        try startThread { [self] in
            while !state.withLock({ $0.isOver }) {
                look()
                usleep(50_000)
            }
        }
    }

    private func look() {
        let subjects = state.withLock(\.subjects)
        let shown = PlantedSecrets.shownByProcesses(subjects.map(\.secrets))
        for (subject, shown) in zip(subjects, shown) { subject.take(shown) }
        state.withLock { $0.looks += 1 }
    }

    func stop() { state.withLock { $0.isOver = true } }

    func add(_ secrets: PlantedSecrets) -> Subject {
        let subject = Subject(secrets)
        state.withLock { $0.subjects.append(subject) }
        return subject
    }

    func remove(_ subject: Subject) { state.withLock { $0.subjects.removeAll { $0 === subject } } }

    /// Waits until everything was looked through once more from the beginning. For threads that may block.
    func waitForLook() {
        let before = state.withLock(\.looks)
        while state.withLock({ $0.looks <= before + 1 && !$0.isOver }) { usleep(1000) }
    }
}
