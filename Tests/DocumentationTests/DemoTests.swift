import Foundation
import LianSystem
import LianTestSupport
import Testing

/// scripts/demo, as a newcomer runs it: on one machine, and on a cluster that it makes.
@Suite(.serialized, .needsDockerEngine, .needsNATSServer, .needsRegistry)
struct DemoTests {
    private func demo(_ flags: [String]) async throws -> SubprocessResult {
        try await withShortTemporaryFolder { folder in
            let done = try await run(
                Command(
                    Project.root.appending(path: "scripts/demo").path,
                    flags + ["--programs", Project.products.path],
                    environment: ProcessInfo.processInfo.environment.merging(["TMPDIR": folder.path]) { $1 }),
                deadline: .seconds(900), outputLimit: 1 << 20)
            #expect(done.termination == .exited(0), "\(done.outputText)\(done.errorText)")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            // Swift leaves an empty folder of its own.
            #expect(left.filter { $0.hasPrefix("lian-") } == [])
            #expect(processes(holding: folder.path).map(commandLine) == [])
            #expect(processes(holding: folder.path, in: "environ").map(commandLine) == [])
            return done
        }
    }

    @Test func onOneMachine() async throws {
        let done = try await demo([])
        #expect(done.outputText.contains(#""status":"succeeded","volume""#), "\(done.outputText)")
    }

    @Test(.needsLXD) func onAClusterAMemberOfWhichDies() async throws {
        let done = try await demo(["--cluster"])
        let ends = done.outputText.split(separator: "\n").filter { $0.hasPrefix("build ") }
        let lost = ends.filter { $0.contains("the runner died in the middle of the build: the cluster's member c") }
        #expect(ends.count == 4 && ends.count { $0.hasSuffix(": succeeded") } == 4 - lost.count, "\(done.outputText)")
        #expect((1...2).contains(lost.count), "\(done.outputText)")
        #expect(done.outputText.contains(#"{"name":"demo/app","tags":["1","2","3","4"]}"#), "\(done.outputText)")
    }
}
