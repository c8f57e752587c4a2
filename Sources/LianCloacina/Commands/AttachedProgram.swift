import Glibc
import LianSystem

/// Runs a program that speaks to the person at this terminal: all that it prints goes to stderr. It ends with its whole
/// process group where the command is to end.
func runAttached(_ command: Command, _ stop: StopRequest) throws(CloacinaError) -> Termination {
    let status: Int32
    do throws(SystemError) {
        let pid = try spawnChild(
            command, streams: StandardStreams(output: STDERR_FILENO, error: STDERR_FILENO))
        do throws(SystemError) {
            let exit = FileDescriptor(owning: try openProcess(pid))
            // Looks at `stop` often enough for a person not to wait.
            while stop.error == nil, !ended(exit.raw, within: 100) {}
        } catch {
            _ = endGroup(pid, politely: true)
            throw error
        }
        status = endGroup(pid, politely: stop.error != nil)
    } catch {
        throw CloacinaError(
            .internalError, .compile, "\(command.executable) cannot be started: \(error)", hint: "Look at the file.")
    }
    try stop.check()
    return Termination(waitStatus: status)
}

private func ended(_ process: Int32, within milliseconds: Int32) -> Bool {
    var polled = [pollfd(fd: process, events: Int16(POLLIN), revents: 0)]
    return poll(&polled, 1, milliseconds) > 0
}
