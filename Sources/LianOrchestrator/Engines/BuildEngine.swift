import LianSystem

/// The build engine of a runner, and the `buildctl` through which it is used.
protocol BuildEngine: Sendable {
    /// The engine's name in /healthz.
    var name: String { get }
    /// What lays out the data of the runner's own engine; nil where it has none, or its version could not be learnt.
    var kind: EngineKind? { get }
    /// Writes the engine's settings and the programs on the runner's PATH.
    func prepare(_ folder: RunnerFolder, cgroup: String?) throws(SystemError)
    /// The engine's command; nil where the runner has no engine process of its own.
    func command(in folder: RunnerFolder, cgroup: String?, environment: [String: String]) -> Command?
    /// Has the engine forget what builds read from their local sources, which it would not read again where only the
    /// content has changed. It succeeds only if the engine serves and can read its data. nil where `command` is.
    func sourcesPruned(in folder: RunnerFolder, environment: [String: String]) -> Command?
    /// Has the engine forget what it used longest ago, until no more than so many bytes are left. By themselves engines do
    /// that after a minute, which few runners live for. Commands to be run one after the other.
    func shrunk(to bytes: Int, in folder: RunnerFolder, environment: [String: String]) -> [Command]
    /// What a session on the runner needs to find the engine.
    func environment(in folder: RunnerFolder) -> [String: String]
    /// The longest path of a socket that the engine makes; nil where it makes none.
    func longestSocket(in folder: RunnerFolder) -> String?
    /// The address for `buildctl --addr`; nil where buildctl needs none.
    func address(in folder: RunnerFolder) -> String?
}

extension RunnerFolder {
    /// When the runner's memory is full, its steps are killed first, not the engine that reports it. runc keeps its
    /// records of steps in the runner's folder. Engines leave the place to runc, whose default is the machine's /run,
    /// where the records of a runner that is destroyed during a step would stay for ever.
    func writeStepWrapper(around runc: String) throws(SystemError) {
        let script = """
            #!/bin/sh
            echo 500 > /proc/self/oom_score_adj
            exec '\(runc)' --root '\(engineRun)/runc' "$@"

            """
        try writeFile("\(enginePrograms)/runc", script, mode: 0o700)
    }
}
