import Foundation
import Glibc
import LianHTTP
import LianModel
import LianSystem
import Synchronization

/// The real orchestrator on a free port, with a state folder of its own.
package final class Orchestrator: Sendable {
    package let folder: URL
    package let token: String
    /// The state folder.
    package let state: String
    private let engine: String
    private let flags: [String]
    private let environment: [String: String]
    private let launcher: [String]
    /// Who certified it, where it serves HTTPS.
    package let authority: TestAuthority?
    /// Small enough that a test can search the file for what must not be there.
    private static let volumesFileGB = "4"
    private let running = Mutex<(process: RunningProcess, port: Int)?>(nil)

    fileprivate init(
        folder: URL, stateLength: Int?, engine: String, flags: [String], environment: [String: String],
        launcher: [String], authority: TestAuthority?
    ) {
        self.folder = folder
        let name = stateLength.map { String(repeating: "s", count: max(1, $0 - folder.path.utf8.count - 1)) } ?? "s"
        state = folder.appending(path: name).path
        self.engine = engine
        self.flags = flags
        self.environment = environment
        self.launcher = launcher
        self.authority = authority
        token = "token-of-the-test"
    }

    package var runnersFolder: String { "\(state)/runners" }
    package var port: Int { running.withLock { $0?.port ?? 0 } }
    package var pid: pid_t? { running.withLock { $0?.process.pid } }
    package var url: String { "\(authority == nil ? "http" : "https")://127.0.0.1:\(port)" }
    package var log: String {
        (try? String(contentsOf: folder.appending(path: "log"), encoding: .utf8)) ?? ""
    }

    package func hasLogged(_ event: String) -> Bool { log.contains("\"event\":\"\(event)\"") }

    package func command(_ arguments: [String]) -> Command {
        var environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        environment["ORCHESTRATOR_TOKEN"] = token
        let line =
            launcher + [Project.executable("lian-orchestrator"), "--state", state, "--log", "json"] + arguments
        return Command(line[0], Array(line.dropFirst()), environment: environment)
    }

    /// Starts it, anew where it was stopped, and waits until it serves.
    package func start() async throws {
        let listenFile = URL(filePath: "\(state)/listen")
        try? FileManager.default.removeItem(at: listenFile)
        let told = log.count
        let process = try RunningProcess(
            command(["--listen", "127.0.0.1:0", "--engine", engine, "--volumes-file-gb", Self.volumesFileGB] + flags),
            outputFile: folder.appending(path: "log"))
        var found: Int?
        _ = await eventually {
            found = announcedPort(listenFile, log: log.dropFirst(told))
            return found != nil || !process.isRunning
        }
        guard let port = found else {
            process.stop()
            throw ProcessNotReady(waitedFor: listenFile.path, output: log)
        }
        running.withLock { $0 = (process, port) }
    }

    /// As the file says, or, where that could not be written, the log.
    private func announcedPort(_ listenFile: URL, log: Substring) -> Int? {
        let address = (try? String(contentsOf: listenFile, encoding: .utf8)) ?? ""
        if address.last == "\n" { return Int(address.split(separator: ":").last?.dropLast() ?? "") }
        guard log.contains("\"no_listen_file\""), let event = log.split(separator: "\n").last,
            let line = try? JSONValue.parse(String(event)), line["event"] == "listening"
        else { return nil }
        return line["port"]?.intValue
    }

    /// Stops it in its tracks: its socket stays open and says nothing.
    package func pause() { running.withLock { $0?.process.pause() } }
    package func goOn() { running.withLock { $0?.process.goOn() } }

    /// kill -9: nothing is cleared away.
    package func kill() {
        running.withLock { running in
            running?.process.stop()
            running = nil
        }
    }

    /// SIGTERM, and its exit status.
    @discardableResult
    package func stop() async -> Termination? {
        guard let process = running.withLock({ $0?.process }) else { return nil }
        process.signal(SIGTERM)
        let end = await process.ended()
        kill()
        return end
    }

    /// One request with the token, unless told otherwise.
    package func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: JSONValue? = nil
    ) async throws -> PlainHTTPResponse {
        let headers = ["Authorization": "Bearer \(token)"].merging(headers) { $1 }
        let body = body?.encodedBytes() ?? []
        guard let authority else {
            return try await exchange(port: port, method, target, headers: headers, body: body)
        }
        guard let method = HTTPRequest.Method(rawValue: method) else { throw FixtureError("no \(method) over TLS") }
        var request = HTTPRequest(method, try HTTPURL(url), target, headers: headers, body: body)
        request.authorities = try TrustedAuthorities(file: authority.certificate)
        let answer = try await HTTPClient().send(request)
        return PlainHTTPResponse(status: answer.status, headers: answer.headers, body: answer.body)
    }

    package func spawn(_ request: SpawnRequest, key: String) async throws -> PlainHTTPResponse {
        try await self.request("POST", "/api/v1/runners", headers: ["Idempotency-Key": key], body: request.json)
    }

    /// Spawns a runner and waits until it is ready; how long that may take, the orchestrator itself knows.
    package func readyRunner(_ order: SpawnRequest, key: String = UUID().uuidString) async throws -> ReadyRunner {
        let spawned = try await spawn(order, key: key)
        guard spawned.status == 201 else { throw FixtureError("spawn: \(spawned.json.encoded())") }
        let id = spawned.json["data"]?["runner_id"]?.stringValue ?? ""
        while true {
            let answer = try await request("GET", "/api/v1/runners/\(id)?wait=30")
            let runner = try RunnerAnswer(JSONNode(answer.json["data"] ?? .null))
            if runner.state != .pending { return try ReadyRunner(runner) }
        }
    }

    /// The ids of the runners that are not gone.
    package func runners() async throws -> [String] {
        let answer = try await request("GET", "/api/v1/runners")
        guard let runners = answer.json["data"]?.arrayValue else {
            throw FixtureError("list: \(answer.json.encoded())")
        }
        return runners.compactMap { $0["runner_id"]?.stringValue }
    }

    @discardableResult
    package func destroy(_ id: String) async throws -> PlainHTTPResponse {
        try await request("DELETE", "/api/v1/runners/\(id)")
    }

    /// The runner's sshd or engine, as it recorded itself.
    package func process(_ name: String, of runnerID: String) -> pid_t? {
        let record = try? String(contentsOfFile: "\(runnersFolder)/\(runnerID)/\(name).process", encoding: .utf8)
        return record?.split(separator: " ").first.flatMap { pid_t($0) }
    }

    /// Kills the runner's process, and waits until it has ended: until then it counts as alive.
    package func killProcess(_ name: String, of runnerID: String) async throws {
        guard let pid = process(name, of: runnerID) else { throw FixtureError("\(runnerID) has no \(name)") }
        Glibc.kill(pid, SIGKILL)
        guard await eventually({ hasEnded(pid) }) else { throw FixtureError("\(name) of \(runnerID) does not end") }
    }

    /// What runners have left on the machine: processes, mounts, folders, groups. Empty where all is gone.
    package func remains() throws -> [String] {
        var found = try FileManager.default.contentsOfDirectory(atPath: runnersFolder).map { "folder \($0)" }
        found += try FileManager.default.contentsOfDirectory(atPath: "\(state)/trash").map { "trash \($0)" }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        found += mounts.split(separator: "\n").filter { $0.contains(runnersFolder) }.map { "mount \($0)" }
        found += processes(holding: runnersFolder).map { "process \($0)" }
        found += processes(holding: runnersFolder, in: "environ").map { "process \($0)" }
        return found
    }

    /// The same when all deletions are through: of very many files, or on a busy machine, they go on when a runner's
    /// destroying is answered.
    package func remainsInTheEnd() async throws -> [String] {
        _ = try await eventually { try !remains().contains { $0.hasPrefix("trash ") } }
        return try remains()
    }
}

package struct LeftBehind: Error, CustomStringConvertible {
    package let remains: [String]
    package let log: String
    package var description: String { "left behind: \(remains)\n\(log)" }
}

/// Runs the orchestrator for the length of the body, ends it as its operator would, and looks whether anything of it
/// is left. Its state folder's path is short, or of the length asked for, and on a disk of its own where one is asked
/// for. Where there is an authority, it serves HTTPS with a certificate by it. The launcher, where there is one, is a command that becomes the orchestrator: it gets the orchestrator's command
/// line appended to its own.
package func withOrchestrator<Result>(
    stateLength: Int? = nil, diskKilobytes: Int? = nil, engine: String = "auto", flags: [String] = [],
    environment: [String: String] = [:], launcher: [String] = [], authority: TestAuthority? = nil,
    _ body: (Orchestrator) async throws -> Result
) async throws -> Result {
    try await withShortTemporaryFolder { folder in
        let tls = try await authority?.server("orchestrator").flags ?? []
        let orchestrator = Orchestrator(
            folder: folder, stateLength: stateLength, engine: engine, flags: flags + tls, environment: environment,
            launcher: launcher, authority: authority)
        guard let diskKilobytes else { return try await serving(orchestrator, body) }
        return try await withSmallDisk(at: orchestrator.state, kilobytes: diskKilobytes) { _ in
            try await serving(orchestrator, body)
        }
    }
}

private func serving<Result>(
    _ orchestrator: Orchestrator, _ body: (Orchestrator) async throws -> Result
) async throws -> Result {
    let result: Swift.Result<Result, any Error>
    do {
        try await orchestrator.start()
        result = .success(try await body(orchestrator))
    } catch {
        result = .failure(error)
    }
    // One that a test killed has to clear away after itself first.
    if orchestrator.port == 0 { try? await orchestrator.start() }
    await orchestrator.stop()
    let value = try result.get()
    let remains = try await orchestrator.remainsInTheEnd()
    guard remains.isEmpty else { throw LeftBehind(remains: remains, log: orchestrator.log) }
    return value
}
