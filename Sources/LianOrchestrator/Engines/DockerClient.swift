import LianModel
import LianSystem

/// A docker client that can build. From version 23 on this needs the buildx plugin, which not every machine has.
struct DockerClient: Equatable, Sendable {
    let path: String
    let version: String

    /// The first client on the PATH that works.
    static func find(path: String, environment: [String: String]) -> DockerClient? {
        for folder in path.split(separator: ":") {
            guard let program = findExecutable("\(folder)/docker", path: nil),
                let version = programVersion(program, environment: environment),
                let major = Int(version.prefix { $0 != "." })
            else { continue }
            if major < 23 || succeeds(Command(program, ["buildx", "version"], environment: environment)) {
                return DockerClient(path: program, version: version)
            }
        }
        return nil
    }

    /// Whether a daemon answers to a client with that environment.
    func reachesDaemon(environment: [String: String]) -> Bool {
        Self.succeeds(Command(path, ["version"], environment: environment))
    }

    /// The daemon's address in the Docker context that a client with that environment uses.
    func contextHost(environment: [String: String]) throws(ProviderError) -> String {
        let format = "{{len .TLSMaterial}} {{.Endpoints.docker.Host}}"
        let command = Command(path, ["context", "inspect", "--format", format], environment: environment)
        let result: SubprocessResult
        do {
            result = try runBlocking(command, deadline: .seconds(10))
        } catch {
            throw ProviderError("docker context inspect: \(error)")
        }
        let words = result.outputText.split(whereSeparator: \.isWhitespace)
        guard result.termination.isSuccess, words.count == 2 else {
            throw ProviderError("docker context inspect: \(result.errorText.trimmingLineEnd())")
        }
        guard words[0] == "0" else {
            throw ProviderError(
                "the Docker context has keys of its own, which runners cannot use: set DOCKER_HOST and DOCKER_CERT_PATH "
                    + "instead")
        }
        return String(words[1])
    }

    private static func succeeds(_ command: Command) -> Bool {
        (try? runBlocking(command, deadline: .seconds(10)))?.termination.isSuccess == true
    }
}
