import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

/// A run in a fresh folder, its whole log and its end; nothing of it may be left afterwards.
struct RunFixture {
    let root: URL
    let host: LocalHost

    func request(_ script: String, _ more: [String] = []) -> RunRequest {
        RunRequest(folder: root.path + "/work/run-1", arguments: ["sh", "-c", script] + more)
    }

    func complete(_ run: RemoteRun) async throws -> (log: [UInt8], end: RunEnd) {
        var log: [UInt8] = []
        while true {
            switch try await run.next() {
            case .log(let bytes): log += bytes
            case .ended(let end): return (log, end)
            }
        }
    }

    func complete(_ request: RunRequest) async throws -> (log: String, end: RunEnd, result: [UInt8]?) {
        let run = RemoteRun(request)
        try await run.connect(to: host)
        let (log, end) = try await complete(run)
        let result = try await run.result()
        try await run.remove()
        return (String(decoding: log, as: UTF8.self), end, result)
    }
}

func withFixture(_ host: LocalHost = LocalHost(), _ body: (RunFixture) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
        // Processes name their folder without links.
        let root = folder.resolvingSymlinksInPath()
        try await body(RunFixture(root: root, host: host))
        #expect(await eventually { processes(workingIn: root.path).isEmpty }, "a process was left behind")
    }
}

@Suite struct RemoteRunTests {
    @Test func logResultAndStatusArrive() async throws {
        try await withFixture { fixture in
            let (log, end, result) = try await fixture.complete(
                fixture.request("echo out; echo err >&2; printf '{}' >result; exit 7"))
            #expect(log == "out\nerr\n")
            #expect(end.exitStatus == 7)
            #expect(end.signal == nil)
            #expect(end.cause == .ended)
            #expect(end.logBytes == 8)
            #expect(result == Array("{}".utf8))
            #expect(!FileManager.default.fileExists(atPath: fixture.root.path + "/work/run-1"))
        }
    }
}
