import Glibc
import LianSystem

/// Runs a program that speaks to the person at this terminal: all that it prints goes to stderr. It ends with its whole
/// process group where the command is to end; before, it has so much time as it is given to end by itself.
func runAttached(
    _ command: Command, streams: StandardStreams = StandardStreams(output: STDERR_FILENO, error: STDERR_FILENO),
    _ stop: StopRequest, patience: Duration = .zero
) throws(SystemError) -> Termination {
    let pid = try spawnChild(command, streams: streams)
    do throws(SystemError) {
        let exit = FileDescriptor(owning: try openProcess(pid))
        // Looks at `stop` often enough for a person not to wait.
        while stop.error == nil, !ended(exit.raw, within: .milliseconds(100)) {}
        if stop.error != nil, patience > .zero {
            kill(pid, SIGTERM)
            _ = ended(exit.raw, within: patience)
        }
    } catch {
        _ = endGroup(pid, politely: true)
        throw error
    }
    return Termination(waitStatus: endGroup(pid, politely: stop.error != nil))
}

extension Termination {
    var words: String {
        switch self {
        case .exited(let status): "exit \(status)"
        case .signalled(let signal): "signal \(signal)"
        }
    }
}

private func ended(_ process: Int32, within limit: Duration) -> Bool {
    var polled = [pollfd(fd: process, events: Int16(POLLIN), revents: 0)]
    return poll(&polled, 1, limit.pollMilliseconds) > 0
}
