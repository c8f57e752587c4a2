import Glibc
import LianModel
import LianSystem

/// The value of `--engine`: which engine runners get.
package enum EngineChoice: String, CaseIterable, Sendable {
    case auto, buildkit, dockerd, docker

    /// The engine, or the reasons why none of those asked for can be used. The orchestrator's environment says which
    /// Docker daemon is meant; engines are tried in the environment of a runner.
    func find(
        path: String, environment: [String: String], ofRunner runner: [String: String]
    ) throws(ProviderError) -> any BuildEngine {
        var environment = environment
        environment["PATH"] = path
        environment["ORCHESTRATOR_TOKEN"] = nil
        let finder = EngineFinder(path: path, environment: environment, runner: runner)
        let candidates: [(EngineChoice, () -> Result<any BuildEngine, ProviderError>)] = [
            (.buildkit, finder.buildkit), (.dockerd, finder.dockerd), (.docker, finder.docker),
        ]
        var problems: [String] = []
        for (choice, candidate) in candidates where self == .auto || self == choice {
            switch candidate() {
            case .success(let engine): return engine
            case .failure(let problem): problems.append("\(choice.rawValue): \(problem)")
            }
        }
        throw ProviderError(problems.joined(separator: "; "))
    }
}

private struct EngineFinder {
    let path: String
    let environment: [String: String]
    let runner: [String: String]

    func buildkit() -> Result<any BuildEngine, ProviderError> {
        guard geteuid() == 0 else { return .failure(ProviderError("needs root")) }
        guard let buildkitd = program("buildkitd"), let buildctl = program("buildctl") else {
            return .failure(ProviderError("buildkitd and buildctl are not both on PATH (install BuildKit)"))
        }
        guard let runc = program("buildkit-runc") ?? program("runc") else {
            return .failure(ProviderError("runc is not on PATH (install runc)"))
        }
        let kind = kind("buildkit", of: buildkitd, layout: PrivateBuildkitd.layout)
        return .success(PrivateBuildkitd(buildkitd: buildkitd, buildctl: buildctl, runc: runc, kind: kind))
    }

    func dockerd() -> Result<any BuildEngine, ProviderError> {
        guard geteuid() == 0 else { return .failure(ProviderError("needs root")) }
        guard let dockerd = program("dockerd"), let runc = program("runc") else {
            return .failure(ProviderError("dockerd and runc are not both on PATH (install docker.io)"))
        }
        switch client() {
        case .success(let client):
            let kind = kind("docker", of: dockerd, layout: PrivateDockerd.layout)
            return .success(PrivateDockerd(dockerd: dockerd, runc: runc, client: client, kind: kind))
        case .failure(let problem): return .failure(problem)
        }
    }

    func docker() -> Result<any BuildEngine, ProviderError> {
        Result { () throws(ProviderError) in
            let client = try client().get()
            let connection = try DockerConnection(ofUserWith: environment, client: client)
            guard client.reachesDaemon(environment: runner.merging(connection.environment) { $1 }) else {
                throw ProviderError("no Docker daemon answers at \(connection.host) (start one, or set DOCKER_HOST)")
            }
            return SharedDocker(client: client, connection: connection)
        }
    }

    private func client() -> Result<DockerClient, ProviderError> {
        if let client = DockerClient.find(path: path, environment: runner) { return .success(client) }
        return .failure(
            ProviderError(
                "no docker client on PATH can build (install docker.io, or the buildx plugin for all users beside yours: "
                    + "runners have a home of their own)"))
    }

    private func kind(_ engine: String, of daemon: String, layout: String) -> EngineKind? {
        programVersion(daemon, environment: runner).flatMap { EngineKind(engine, version: $0, layout: layout) }
    }

    private func program(_ name: String) -> String? { findExecutable(name, path: path) }
}
