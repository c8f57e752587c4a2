import Foundation
import Glibc
import LianSystem

/// A Docker engine of a test's own, with the BuildKit that is in it.
package struct DockerEngine: Sendable {
    /// A client whose `build` goes through BuildKit.
    package let client: String
    package let host: String
    private let configuration: String

    /// `docker ARGUMENT…` against this engine.
    package func docker(_ arguments: [String], deadline: Duration = .seconds(60)) async throws -> SubprocessResult {
        try await run(
            Command(client, ["-H", host] + arguments, environment: Self.environment(configuration)), deadline: deadline)
    }

    /// Why there can be no engine here; nil where there can.
    package static func missing() async -> String? {
        guard geteuid() == 0 else { return "a Docker engine of the test's own needs root" }
        guard daemon != nil else { return "there is no dockerd" }
        guard await findClient() != nil else { return "there is no docker client that builds with BuildKit" }
        return nil
    }

    private static let daemon = findExecutable("dockerd", path: searchPath)

    private static var searchPath: String {
        (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/bin:/usr/sbin:/sbin"
    }

    private static func environment(_ configuration: String) -> [String: String] {
        ["PATH": searchPath, "HOME": configuration, "DOCKER_CONFIG": configuration, "DOCKER_BUILDKIT": "1"]
    }

    /// Before version 23 BuildKit's client is part of Docker's; from then on it is a plugin that may be missing.
    private static func findClient() async -> String? {
        for folder in searchPath.split(separator: ":") {
            guard let client = findExecutable("\(folder)/docker", path: nil) else { continue }
            let environment = environment("/nonexistent")
            let version = try? await run(
                Command(client, ["--version"], environment: environment), deadline: .seconds(10))
            let number = version?.outputText.split(separator: " ").compactMap { Int($0.prefix { $0.isNumber }) }.first
            if let number, number < 23 { return client }
            let plugin = try? await run(
                Command(client, ["buildx", "version"], environment: environment), deadline: .seconds(10))
            if plugin?.termination.isSuccess == true { return client }
        }
        return nil
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Starts an engine, waits until it answers, and takes away all that it left.
    package static func with<Result>(_ body: (DockerEngine) async throws -> Result) async throws -> Result {
        guard let daemon, let client = await findClient() else {
            throw Failure(description: await missing() ?? "no engine")
        }
        return try await withTemporaryFolder { folder in
            defer { unmountAll(below: folder.path) }
            let host = "unix://\(folder.path)/s"
            let log = folder.appending(path: "log").path
            let command = Command(
                daemon,
                [
                    "--data-root", "\(folder.path)/data", "--exec-root", "\(folder.path)/exec", "-p",
                    "\(folder.path)/pid",
                    "-H", host, "--bridge=none", "--iptables=false",
                ], environment: ["PATH": searchPath, "HOME": folder.path])
            let pid = try start(command, log: log)
            defer { stop(pid) }
            let engine = DockerEngine(client: client, host: host, configuration: folder.path)
            try await engine.waitUntilItAnswers(pid, log: log)
            return try await body(engine)
        }
    }

    private static func start(_ command: Command, log: String) throws -> pid_t {
        let descriptor = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("open") }
        let output = FileDescriptor(owning: descriptor)
        return try spawnChild(command, streams: StandardStreams(output: output.raw, error: output.raw))
    }

    private func waitUntilItAnswers(_ pid: pid_t, log: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let answer = try await docker(["version"], deadline: .seconds(10))
            if answer.termination.isSuccess { return }
            guard kill(pid, 0) == 0, ContinuousClock.now < deadline else {
                let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                throw Failure(description: "dockerd does not answer: \(text.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Ends it as its operator would, so that it takes its own children along; by force after ten seconds.
    private static func stop(_ pid: pid_t) {
        kill(pid, SIGTERM)
        if let exit = try? openProcess(pid) {
            let descriptor = FileDescriptor(owning: exit)
            var polled = [pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)]
            poll(&polled, 1, 10_000)
        }
        kill(-pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }

    private static func unmountAll(below folder: String) {
        let table = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        let points = table.split(separator: "\n").compactMap { line -> String? in
            let fields = line.split(separator: " ")
            return fields.count > 4 && fields[4].hasPrefix(folder + "/") ? String(fields[4]) : nil
        }
        for point in points.reversed() { umount2(point, Int32(MNT_DETACH)) }
    }
}
