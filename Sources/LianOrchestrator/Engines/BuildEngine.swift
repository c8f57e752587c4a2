import LianSystem

/// The build engine that a runner carries, and the `buildctl` by which it is spoken to.
protocol BuildEngine: Sendable {
    /// As /healthz names it.
    var name: String { get }
    /// Writes the engine's settings and the programs on the runner's PATH.
    func prepare(_ folder: RunnerFolder, cgroup: String?) throws(SystemError)
    /// What to start for a runner; nil where the runner has no engine process of its own.
    func command(in folder: RunnerFolder, cgroup: String?, environment: [String: String]) -> Command?
    /// What a session on the runner needs to find the engine.
    func environment(in folder: RunnerFolder) -> [String: String]
    /// The longest path of a socket that it makes; nil where it makes none.
    func longestSocket(in folder: RunnerFolder) -> String?
    /// For `buildctl --addr`; nil where buildctl knows by itself.
    func address(in folder: RunnerFolder) -> String?
}

extension RunnerFolder {
    /// Steps are the first to be killed when the runner's memory is full, not the engine that reports it. What runc
    /// remembers of them lies in the runner's folder: engines leave that to runc, whose own place is the machine's /run,
    /// where the records of a runner that is destroyed in mid-step would stay for ever.
    func writeStepWrapper(around runc: String) throws(SystemError) {
        let script = """
            #!/bin/sh
            echo 500 > /proc/self/oom_score_adj
            exec '\(runc)' --root '\(engineRun)/runc' "$@"

            """
        try writeFile("\(enginePrograms)/runc", script, mode: 0o700)
    }
}
