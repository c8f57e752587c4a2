import LianSystem

/// A separate buildkitd for each runner, used through the machine's own buildctl.
struct PrivateBuildkitd: BuildEngine {
    let buildkitd: String
    let buildctl: String
    let runc: String
    var kind: EngineKind?

    let name = "buildkit"
    static let layout = "overlayfs"

    func prepare(_ folder: RunnerFolder, cgroup: String?) throws(SystemError) {
        var settings = """
            root = "\(folder.engineData)"
            insecure-entitlements = ["network.host"]
            [grpc]
            address = ["\(socket(folder))"]
            [otel]
            socketPath = "\(folder.engineRun)/otel.sock"
            [worker.containerd]
            enabled = false
            [worker.oci]
            enabled = true
            binary = "\(folder.enginePrograms)/runc"
            networkMode = "host"

            """
        // Of itself it would take another way where it finds that overlayfs does not serve, and a copy of the volume would
        // be of no use to the next engine.
        if folder.volume != nil { settings += "snapshotter = \"\(Self.layout)\"\n" }
        if let cgroup { settings += "defaultCgroupParent = \"\(cgroup)\"\n" }
        try writeFile(folder.engineConfiguration, settings)
        try folder.writeStepWrapper(around: runc)
        try writeFile("\(folder.programs)/buildctl", waitingBuildctl(folder), mode: 0o700)
    }

    func command(in folder: RunnerFolder, cgroup: String?, environment: [String: String]) -> Command? {
        Command(buildkitd, ["--config", folder.engineConfiguration], environment: environment)
    }

    func sourcesPruned(in folder: RunnerFolder, environment: [String: String]) -> Command? {
        Command(
            buildctl, ["--addr", socket(folder), "prune", "--all", "--filter", "type==source.local"],
            environment: environment)
    }

    func shrunk(to bytes: Int, in folder: RunnerFolder, environment: [String: String]) -> [Command] {
        [
            Command(
                buildctl, ["--addr", socket(folder), "prune", "--all", "--keep-storage", String(bytes / 1_000_000)],
                environment: environment)
        ]
    }

    func environment(in folder: RunnerFolder) -> [String: String] { ["BUILDKIT_HOST": socket(folder)] }

    func longestSocket(in folder: RunnerFolder) -> String? { folder.engineSocket }

    func address(in folder: RunnerFolder) -> String? { socket(folder) }

    private func socket(_ folder: RunnerFolder) -> String { "unix://\(folder.engineSocket)" }

    /// The engine starts at the same time as the runner's sshd, so a build that comes early waits for it here: mostly for a
    /// tenth of a second, and for twenty at most.
    private func waitingBuildctl(_ folder: RunnerFolder) -> String {
        """
        #!/bin/sh
        case ${1-} in
          --version | -v) exec '\(buildctl)' "$@" ;;
        esac
        tries=0
        until [ -S '\(folder.engineSocket)' ]; do
          tries=$((tries + 1))
          if [ "$tries" -ge 280 ]; then
            tail -n 5 '\(folder.engineLog)' >&2
            echo "error: rpc error: code = Unavailable desc = the runner's \(name) does not answer at \(socket(folder))" >&2
            exit 1
          fi
          if [ "$tries" -le 100 ]; then sleep 0.02; else sleep 0.1; fi
        done
        exec '\(buildctl)' "$@"

        """
    }
}
