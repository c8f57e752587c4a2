import Foundation
import LianRemote
import LianTestSupport
import Testing

/// A host and a folder for one test's runs. Nothing may be left of them afterwards.
struct RunFixture {
    let root: String
    let host: LocalHost
    var folder: String { root + "/there/run-1" }

    func request(_ script: String, _ more: [String] = []) -> RunRequest {
        RunRequest(folder: folder, arguments: ["sh", "-c", script] + more)
    }

    /// The run to its end, with its result, and everything removed.
    func complete(_ request: RunRequest) async throws -> (log: String, end: RunEnd, result: [UInt8]?) {
        let run = RemoteRun(request)
        try await run.connect(to: host)
        let (log, end) = try await run.toItsEnd()
        let result = try await run.result()
        try await run.remove()
        return (String(decoding: log, as: UTF8.self), end, result)
    }

    func file(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(root)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(name)") }
}

extension RemoteRun {
    func toItsEnd() async throws -> (log: [UInt8], end: RunEnd) {
        var log: [UInt8] = []
        while true {
            switch try await next() {
            case .log(let bytes): log += bytes
            case .ended(let end): return (log, end)
            }
        }
    }

    /// Reads on until the log holds the text.
    func until(_ text: String) async throws -> [UInt8] {
        var log: [UInt8] = []
        while case .log(let bytes) = try await next() {
            log += bytes
            if Data(log).range(of: Data(text.utf8)) != nil { break }
        }
        return log
    }
}

func withRuns<Result>(
    on host: LocalHost = LocalHost(), _ body: (RunFixture) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        // The kernel names a process's folder without links.
        let root = folder.resolvingSymlinksInPath().path
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(RunFixture(root: root, host: host)))
        } catch {
            result = .failure(error)
        }
        host.cut()
        let allGone = await eventually { processes(workingIn: root).isEmpty }
        #expect(allGone, "left behind: \(processes(workingIn: root).map(commandLine(of:)))")
        return try result.get()
    }
}

private func commandLine(of pid: Int32) -> String {
    let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
    return "\(pid) " + String(decoding: bytes.map { $0 == 0 ? 32 : $0 }, as: UTF8.self).prefix(200)
}

/// Hosts whose shell and whose tools are busybox's, in a mount namespace of their own.
enum Busybox {
    static let path = "/bin/busybox"

    static let isUsable: Bool = {
        guard FileManager.default.isExecutableFile(atPath: path), getuid() == 0 else { return false }
        let probe = Process()
        probe.executableURL = URL(filePath: "/usr/bin/unshare")
        probe.arguments = ["-m", "/bin/true"]
        guard (try? probe.run()) != nil else { return false }
        probe.waitUntilExit()
        return probe.terminationStatus == 0
    }()

    static func host(tools: String) throws -> LocalHost {
        try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
        for name in [
            "sh", "dd", "tail", "sleep", "cat", "rm", "ln", "mkdir", "mkfifo", "mktemp", "readlink", "stat", "wc",
            "setsid", "id", "seq", "head", "yes", "ls", "true",
        ] {
            try FileManager.default.createSymbolicLink(atPath: "\(tools)/\(name)", withDestinationPath: path)
        }
        return LocalHost(
            environment: ["PATH": tools],
            launcher: [
                "/usr/bin/unshare", "-m", "/bin/sh", "-c",
                "/usr/bin/mount --bind \(path) \"$(/usr/bin/readlink -f /bin/sh)\" && exec \"$@\"", "sh",
            ])
    }
}
