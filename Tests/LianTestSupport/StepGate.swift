/// Holds a step of a real build where it is until the test has done its part, however long that takes. A step reaches it
/// over this machine's network, which the steps of a runner's engine share.
package final class StepGate: Sendable {
    private let listener: ScriptedListener

    package init() throws {
        listener = try ScriptedListener(saying: "")
    }

    deinit { open() }

    package var port: Int { listener.port }

    /// The shell command that waits here. It ends when the gate opens; one that comes later is not held.
    package var waiting: String { "busybox nc 127.0.0.1 \(listener.port) </dev/null || true" }

    /// A step has come here.
    package var isReached: Bool { listener.accepted > 0 }

    package func open() { listener.stop() }
}
