import LianSystem

/// The user's own Docker daemon, for people without root: all runners share it, and it outlives them.
struct SharedDocker: BuildEngine {
    let client: DockerClient
    let connection: DockerConnection

    let name = "docker"
    let kind: EngineKind? = nil

    func prepare(_ folder: RunnerFolder, cgroup: String?) throws(SystemError) {
        try writeFile(
            "\(folder.programs)/buildctl",
            BuildctlShim.script(client: client, connection: connection, engine: name, folder: folder), mode: 0o700)
    }

    func command(in folder: RunnerFolder, cgroup: String?, environment: [String: String]) -> Command? { nil }

    func sourcesPruned(in folder: RunnerFolder, environment: [String: String]) -> Command? { nil }

    func shrunk(to bytes: Int, in folder: RunnerFolder, environment: [String: String]) -> [Command] { [] }

    func environment(in folder: RunnerFolder) -> [String: String] { connection.environment }

    func longestSocket(in folder: RunnerFolder) -> String? { nil }

    func address(in folder: RunnerFolder) -> String? { nil }
}
