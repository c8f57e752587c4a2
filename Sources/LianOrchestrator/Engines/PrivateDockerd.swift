import LianSystem

/// A separate dockerd for each runner: its embedded BuildKit builds, and its client pushes.
struct PrivateDockerd: BuildEngine {
    let dockerd: String
    let runc: String
    let client: DockerClient
    var kind: EngineKind?

    let name = "dockerd"
    static let layout = "overlay2"

    func prepare(_ folder: RunnerFolder, cgroup: String?) throws(SystemError) {
        // The daemon gets a file of its own, so that it does not read the settings of the machine's daemon.
        try writeFile(folder.engineConfiguration, "{}\n")
        try folder.writeStepWrapper(around: runc)
        try writeFile(
            "\(folder.programs)/buildctl",
            BuildctlShim.script(client: client, connection: connection(folder), engine: name, folder: folder),
            mode: 0o700)
    }

    func command(in folder: RunnerFolder, cgroup: String?, environment: [String: String]) -> Command? {
        var environment = environment
        environment["PATH"] = "\(folder.enginePrograms):\(environment["PATH"] ?? "")"
        // By itself Docker takes a folder among its data. On a volume that lies too deep for the sockets of agents.
        environment["DOCKER_TMPDIR"] = folder.temporary
        var arguments = [
            "--config-file", folder.engineConfiguration, "--data-root", folder.engineData,
            "--exec-root", folder.engineRun, "--pidfile", "\(folder.engineRun).pid", "--host",
            connection(folder).host,
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
            "--userland-proxy=false", "--exec-opt", "native.cgroupdriver=cgroupfs", "--log-level", "warn",
        ]
        if let cgroup { arguments += ["--cgroup-parent", cgroup] }
        // On btrfs Docker would make a subvolume for each layer, and a copy of the volume would hold none of them.
        if folder.volume != nil { arguments += ["--storage-driver", Self.layout] }
        return Command(dockerd, arguments, environment: environment)
    }

    func sourcesPruned(in folder: RunnerFolder, environment: [String: String]) -> Command? {
        Command(
            client.path, ["builder", "prune", "--force", "--all", "--filter", "type=source.local"],
            environment: environment)
    }

    /// Nobody builds with the images themselves, and what they hold could not be forgotten.
    func shrunk(to bytes: Int, in folder: RunnerFolder, environment: [String: String]) -> [Command] {
        [
            ["image", "prune", "--all", "--force"],
            ["builder", "prune", "--all", "--force", "--keep-storage", String(bytes)],
        ].map { Command(client.path, $0, environment: environment) }
    }

    func environment(in folder: RunnerFolder) -> [String: String] { connection(folder).environment }

    /// The longest path is that of its containerd's socket.
    func longestSocket(in folder: RunnerFolder) -> String? { "\(folder.engineRun)/containerd/containerd-debug.sock" }

    func address(in folder: RunnerFolder) -> String? { nil }

    private func connection(_ folder: RunnerFolder) -> DockerConnection {
        DockerConnection(host: "unix://\(folder.engineSocket)")
    }
}
