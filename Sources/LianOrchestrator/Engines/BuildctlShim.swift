import LianModel

/// The `buildctl` of runners whose engine is Docker's embedded BuildKit: a POSIX sh program that takes buildctl's flags
/// and drives that engine with Docker's client. If Docker cannot do something, it is refused by name: `error:
/// engine_unsupported: …` and exit status 64.
enum BuildctlShim {
    static func script(
        client: DockerClient, connection: DockerConnection, engine: String, folder: RunnerFolder
    ) -> String {
        """
        #!/bin/sh
        \(choosing(connection))
        docker=\(shellQuoted(client.path))
        version=\(shellQuoted(client.version))
        host=\(shellQuoted(connection.host))
        engine=\(shellQuoted(engine))
        engine_log=\(shellQuoted(folder.engineLog))
        engine_is_up=\(shellQuoted(folder.engineIsUp))

        """ + body
    }

    /// All but the lines that say which Docker it drives.
    static var body: String { String(decoding: PackageResources.Buildctl_sh, as: UTF8.self) }

    /// The lines that make the client use this daemon and no other.
    private static func choosing(_ connection: DockerConnection) -> String {
        let known = connection.environment
        let settings = known.keys.sorted().map { "export \($0)=\(shellQuoted(known[$0] ?? ""))" }
        return (["unset DOCKER_CONTEXT \(DockerConnection.settings.joined(separator: " "))"] + settings)
            .joined(separator: "\n")
    }
}
