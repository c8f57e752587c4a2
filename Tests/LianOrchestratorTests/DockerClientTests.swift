import Foundation
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Which docker client and which daemon runners get. The client here is a script that notes what it is told.
@Suite struct DockerClientTests {
    /// Knows no context but one, and builds by a plugin that it looks for at home, as version 23 and later do.
    private static let client = """
        case "$1 ${2-}" in
          '--version ') echo 'Docker version 28.2.2, build 1' ;;
          'buildx version') [ -e "${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-buildx" ] || [ -e "${0%/*}/plugin" ] ;;
          'context inspect') echo "${KEYS-0} unix:///of/${DOCKER_CONTEXT-default}" ;;
          'version '*) env >"${0%/*}/asked" ;;
          'build '*) env >"${0%/*}/built"; exit 7 ;;
        esac
        """

    private struct Place {
        let programs: URL
        let runner: RunnerFolder

        func find(_ environment: [String: String]) throws -> any BuildEngine {
            let path = "\(programs.path):/usr/bin:/bin"
            return try EngineChoice.docker.find(
                path: path, environment: environment, ofRunner: runner.environment(path: path))
        }

        /// The variables that decide which daemon is reached and what the client can do, as it found them.
        func found(_ name: String) throws -> [String] {
            let kept = ["DOCKER_HOST", "DOCKER_TLS", "DOCKER_CERT", "DOCKER_API", "DOCKER_CON", "HOME=", "PATH="]
            return try readText(programs.appending(path: name).path).split(separator: "\n").map(String.init)
                .filter { line in kept.contains { line.hasPrefix($0) } }.sorted()
        }

        func environment(of engine: any BuildEngine) -> [String: String] {
            runner.environment(path: "\(programs.path):/usr/bin:/bin").merging(engine.environment(in: runner)) { $1 }
        }
    }

    private func withPlace(_ body: (Place) async throws -> Void) async throws {
        try await withShortTemporaryFolder { folder in
            let programs = folder.appending(path: "p")
            try makeFolder(programs.path)
            try writeScript(Self.client, to: programs.appending(path: "docker"))
            let runner = RunnerFolder(state: folder.path, runnerID: "r-1")
            for path in runner.folders { try makeFolder(path) }
            try await body(Place(programs: programs, runner: runner))
        }
    }

    @Test("row 80: the environment in which a daemon is looked for is the one in which runners use it")
    func oneEnvironment() async throws {
        try await withPlace { place in
            try writeFile("\(place.programs.path)/plugin", "")
            let user = [
                "DOCKER_HOST": "tcp://d.test:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "",
                "DOCKER_CONTEXT": "other", "DOCKER_CONFIG": "/of/user", "HOME": "/home/user",
                "DOCKER_API_VERSION": "1.41",
                "ORCHESTRATOR_TOKEN": "secret-token",
            ]
            let engine = try place.find(user)
            let asked = try place.found("asked")
            #expect(asked.contains("DOCKER_CERT_PATH=/of/user"))
            #expect(asked.contains("DOCKER_HOST=tcp://d.test:2376"))
            #expect(asked.contains("HOME=\(place.runner.home)"))
            #expect(!asked.contains { $0.hasPrefix("DOCKER_CONFIG") || $0.hasPrefix("DOCKER_CONTEXT") })

            try engine.prepare(place.runner, cgroup: nil)
            var session = place.environment(of: engine)
            session["DOCKER_CONTEXT"] = "of-the-session"
            session["DOCKER_TLS"] = "1"
            let build = Command(
                "\(place.runner.programs)/buildctl",
                ["build", "--frontend", "dockerfile.v0", "--local", "context=/x"], environment: session)
            let result = try await run(build, deadline: .seconds(20))
            #expect(result.termination == .exited(7), "\(result.errorText)")
            #expect(try place.found("built") == asked)
        }
    }

    @Test("row 80: a plugin in the user's home is no plugin of the runners'")
    func pluginsOfTheUser() async throws {
        try await withPlace { place in
            let home = place.programs.appending(path: "home").path
            try makeFolder("\(home)/.docker/cli-plugins")
            try writeFile("\(home)/.docker/cli-plugins/docker-buildx", "")
            for variables in [["HOME": home], ["HOME": "/nonexistent", "DOCKER_CONFIG": "\(home)/.docker"]] {
                // One of the machine's own may stand further on along the path.
                let engine = try? place.find(variables.merging(["DOCKER_HOST": "unix:///x"]) { $1 }) as? SharedDocker
                #expect(engine?.client.path != "\(place.programs.path)/docker")
            }
        }
    }

    @Test("row 80: without DOCKER_HOST the user's context decides, and one that runners cannot use is refused")
    func contexts() async throws {
        try await withPlace { place in
            try writeFile("\(place.programs.path)/plugin", "")
            for (variables, host) in [
                ([:], "unix:///of/default"), (["DOCKER_CONTEXT": "mine"], "unix:///of/mine"),
                (["DOCKER_CONTEXT": "mine", "DOCKER_HOST": ""], "unix:///of/mine"),
                (["DOCKER_CONTEXT": "mine", "DOCKER_HOST": "unix:///h"], "unix:///h"),
            ] as [([String: String], String)] {
                #expect(try place.find(variables).environment(in: place.runner) == ["DOCKER_HOST": host])
            }
            for (variables, problem) in [
                (["KEYS": "1"], "has keys of its own, which runners cannot use: set DOCKER_HOST"),
                (["DOCKER_HOST": "unix:///x", "DOCKER_CERT_PATH": "/a\"b"], "DOCKER_CERT_PATH holds a quote"),
            ] {
                let error = #expect(throws: ProviderError.self) { try place.find(variables) }
                #expect(error?.description.contains(problem) == true)
            }
        }
    }

    /// What buildctl does with an output, a cache or an option that is given twice, or not at all.
    @Test func flagsOfTheShim() async throws {
        try await withPlace { place in
            try writeScript(
                """
                echo "$@" >>"${0%/*}/calls"
                case $1 in
                  version) ;;
                  build)
                    while [ $# -gt 0 ]; do
                      [ "$1" != --iidfile ] || printf sha256:aa >"$2"
                      shift
                    done
                    ;;
                  push) cat; echo "1: digest: sha256:bb size: 9" ;;
                esac
                """, to: place.programs.appending(path: "fake"))
            let client = DockerClient(path: place.programs.appending(path: "fake").path, version: "28")
            let engine = SharedDocker(client: client, connection: DockerConnection(host: "unix:///x"))
            try engine.prepare(place.runner, cgroup: nil)
            let calls = "\(place.programs.path)/calls"
            func build(_ flags: String) async throws -> SubprocessResult {
                unlink(calls)
                let words = "build --frontend dockerfile.v0 --local context=/x \(flags)".split(separator: " ")
                return try await run(
                    Command(
                        "\(place.runner.programs)/buildctl", words.map(String.init),
                        environment: place.environment(of: engine)),
                    deadline: .seconds(20))
            }
            func lines(_ verb: String) throws -> [String] {
                try readText(calls).split(separator: "\n").map(String.init).filter { $0.hasPrefix("\(verb) ") }
            }
            // Two caches are two references, each by its own rules.
            let cached = try await build(
                "--export-cache type=registry,ref=127.0.0.1:1/c:1,registry.insecure=true "
                    + "--export-cache type=registry,ref=registry.test/c:2 --export-cache type=inline")
            #expect(cached.termination == .exited(0), "\(cached.errorText)")
            #expect(try lines("push") == ["push 127.0.0.1:1/c:1", "push registry.test/c:2"])
            #expect(try lines("tag") == ["tag sha256:aa 127.0.0.1:1/c:1", "tag sha256:aa registry.test/c:2"])
            // The last word on pushing counts.
            #expect(
                try await build("--output type=image,name=a.test/b:1,push=true,push=false").termination == .exited(0))
            #expect(try lines("push").isEmpty)
            #expect(try lines("build").first?.contains("--tag a.test/b:1") == true)
            #expect(
                try await build("--output type=image,name=a.test/b:1,push=false,push=true").termination == .exited(0))
            #expect(try lines("push") == ["push a.test/b:1"])
            #expect(
                try await build("--opt platform=linux/a --opt platform=linux/b --opt target=s --opt target=t")
                    .termination == .exited(0))
            let told = try #require(try lines("build").first)
            #expect(told.contains("--target t --platform linux/b") && !told.contains("linux/a"))
            for (flags, status, problem) in [
                (
                    "--output type=image,name=a.test/b:1 -o type=image,name=a.test/b:2", 64,
                    "engine_unsupported: several outputs (--output)"
                ),
                ("--output name=a.test/b:1,push=true", 1, "--output needs type="),
                (
                    "--export-cache type=registry,ref=registry.test/c:2,registry.insecure=true", 64,
                    "engine_unsupported: plain HTTP to registry.test"
                ),
            ] as [(String, Int32, String)] {
                let refused = try await build(flags)
                #expect(refused.termination == .exited(status))
                #expect(refused.errorText == "error: \(problem)\n")
                #expect(fileKind(calls) == nil)
            }
        }
    }
}
