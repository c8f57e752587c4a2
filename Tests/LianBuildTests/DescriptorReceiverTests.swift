import FoundationEssentials
import Glibc
import LianBuild
import LianSystem
import LianTestSupport
import Testing

@Suite struct DescriptorReceiverTests {
    private func helper(_ socket: String?) -> Command {
        Command(
            Project.executable("lian-rsh"), ["host", "rsync", "--server"],
            environment: socket.map { ["LIAN_RSH_SOCKET": $0] } ?? [:])
    }

    @Test func theHelpersStreamsAreOursAndItsExitStatusToo() async throws {
        try await withTemporaryFolder { folder in
            let receiver = try DescriptorReceiver(folder: folder.path)
            async let result = run(
                helper(receiver.path), input: .bytes(Array("from rsync".utf8)), deadline: .seconds(120))
            let handed = try #require(try await receiver.receive(deadline: .now + .seconds(120)))
            var bytes = [UInt8](repeating: 0, count: 10)
            var count = 0
            while count < 10 {
                let more = read(handed.input, &bytes[count], 10 - count)
                try #require(more > 0)
                count += more
            }
            #expect(bytes == Array("from rsync".utf8))
            #expect(write(handed.output, "to rsync", 8) == 8)
            handed.dismiss(exitStatus: 23)
            #expect(try await result.termination == .exited(23))
            #expect(try await result.outputText == "to rsync")
        }
    }

    @Test func withoutAnAnswerTheHelperFailsAsSSHDoes() async throws {
        try await withTemporaryFolder { folder in
            let receiver = try DescriptorReceiver(folder: folder.path)
            async let result = run(helper(receiver.path), deadline: .seconds(120))
            _ = try #require(try await receiver.receive(deadline: .now + .seconds(120)))
            #expect(try await result.termination == .exited(255))
        }
    }

    @Test func theHelperSaysWhatIsWrong() async throws {
        let unset = try await run(helper(nil), deadline: .seconds(120))
        #expect(unset.termination == .exited(255))
        #expect(unset.errorText.contains("LIAN_RSH_SOCKET"))
        let missing = try await run(helper("/nonexistent/socket"), deadline: .seconds(120))
        #expect(missing.termination == .exited(255))
        #expect(missing.errorText.contains("/nonexistent/socket"))
    }

    @Test func nobodyComesAndTheWaitEnds() async throws {
        try await withTemporaryFolder { folder in
            let receiver = try DescriptorReceiver(folder: folder.path)
            #expect(try await receiver.receive(deadline: .now + .milliseconds(50)) == nil)
            let waiting = Task { try await receiver.receive(deadline: .now + .seconds(60)) == nil }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
    }

    @Test func aConnectionThatHandsOverNothingIsPassedOver() async throws {
        try await withTemporaryFolder { folder in
            let receiver = try DescriptorReceiver(folder: folder.path)
            let stranger = try connectUnixSocket(path: receiver.path)
            #expect(write(stranger.raw, "x", 1) == 1)
            async let result = run(helper(receiver.path), deadline: .seconds(120))
            let handed = try #require(try await receiver.receive(deadline: .now + .seconds(120)))
            handed.dismiss(exitStatus: 0)
            #expect(try await result.termination == .exited(0))
        }
    }
}
