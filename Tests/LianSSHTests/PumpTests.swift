import Foundation
import Glibc
import LianBuild
import LianChannel
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianSSH

@Suite(.serialized) struct PumpTests {
    @Test func bothDirectionsAndStandardErrorAreCounted() async throws {
        try await withConnection { _, connection in
            try await withTemporaryFolder { folder in
                let data = Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
                let source = folder.appending(path: "in")
                try data.write(to: source)
                let input = FileDescriptor(owning: open(source.path, O_RDONLY | O_CLOEXEC))
                let sink = folder.appending(path: "out")
                let output = FileDescriptor(owning: open(sink.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
                let channel = try await connection.open("tee /dev/null; echo said >&2; exit 4")
                let result = try await channel.pump(input: input.raw, output: output.raw)
                #expect(result.sent == data.count)
                #expect(result.received == data.count)
                #expect(result.errorOutput == Array("said\n".utf8))
                #expect(channel.counters.sent == data.count)
                #expect(await channel.close() == RemoteEnd(isClean: true, exitStatus: 4, signal: nil))
                #expect(try Data(contentsOf: sink) == data)
            }
        }
    }

    @Test func whatComesBesideAnAnswerIsLeftToThePump() async throws {
        try await withConnection { _, connection in
            let input = try FileDescriptor.Pipe()
            let output = try FileDescriptor.Pipe()
            for _ in 0..<20 {
                let channel = try await connection.open("printf one; read -r line; printf err >&2; printf two")
                #expect(try await channel.read() == .output(Array("one".utf8)))
                try await channel.write(Array("\n".utf8))
                // By the time of this answer both streams should have something, and it is the error stream's turn.
                _ = try await connection.finish("sleep 0.02")
                let first = try await channel.read()
                let result = try await channel.pump(input: input.read.raw, output: output.write.raw)
                #expect(result.received == (first == .output(Array("two".utf8)) ? 0 : 3))
                _ = await channel.close()
            }
        }
    }

    @Test func noMoreIsSentAheadThanKeepsTheLineBusy() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let connection = try await server.connect(key: key)
            try await withTemporaryFolder { folder in
                let source = folder.appending(path: "in")
                try Data(count: 3_000_000).write(to: source)
                let input = FileDescriptor(owning: open(source.path, O_RDONLY | O_CLOEXEC))
                let sink = folder.appending(path: "out")
                let output = FileDescriptor(owning: open(sink.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
                let gate = folder.appending(path: "gate").path
                try #require(mkfifo(gate, 0o600) == 0)
                // It reads nothing before somebody opens the gate.
                let channel = try await connection.open("read -r _ <'\(gate)'; wc -c")
                async let pumped = channel.pump(input: input.raw, output: output.raw)
                #expect(await eventually { channel.counters.sent >= SendAhead.least })
                // What would be sent beside this answer has been sent by now.
                for _ in 0..<3 { _ = try await connection.finish("true") }
                let unread = channel.counters.sent
                // What the command's pipe took counts as read, and lets twice as much follow.
                #expect(unread <= 2 * SendAhead.least + (128 << 10))
                try "on\n".write(toFile: gate, atomically: false, encoding: .utf8)
                #expect(try await pumped.sent == 3_000_000)
                _ = await channel.close()
                #expect(try String(contentsOf: sink, encoding: .utf8) == "3000000\n")
            }
            await connection.disconnect()
        }
    }

    @Test func aReaderThatGoesAwayDoesNotStopTheCommand() async throws {
        try await withConnection { _, connection in
            let input = try FileDescriptor.Pipe()
            var output: [Int32] = [-1, -1]
            try #require(pipe(&output) == 0)
            defer { Glibc.close(output[1]) }
            Glibc.close(output[0])
            let channel = try await connection.open("head -c 1000000 /dev/zero; exit 5")
            let result = try await channel.pump(input: input.read.raw, output: output[1])
            #expect(result.received == 1_000_000)
            #expect(await channel.close().exitStatus == 5)
        }
    }

    @Test func aCancelledPumpLetsGoOfItsDescriptors() async throws {
        try await withConnection { _, connection in
            let input = try FileDescriptor.Pipe()
            let output = try FileDescriptor.Pipe()
            let (reading, writing) = (input.read.raw, output.write.raw)
            let channel = try await connection.open("cat")
            let pumping = Task { try await channel.pump(input: reading, output: writing) }
            try await Task.sleep(for: .milliseconds(50))
            pumping.cancel()
            await #expect(throws: CancellationError.self) { _ = try await pumping.value }
            let end = await channel.close()
            #expect(!end.isClean)
            #expect(try await connection.finish("echo on").text == "on\n")
            withExtendedLifetime(input) {}
            withExtendedLifetime(output) {}
        }
    }

    @Test func aLostConnectionEndsThePump() async throws {
        try await withConnection { _, connection in
            let input = try FileDescriptor.Pipe()
            let output = try FileDescriptor.Pipe()
            let (reading, writing) = (input.read.raw, output.write.raw)
            let channel = try await connection.open("cat")
            let pumping = Task { try await channel.pump(input: reading, output: writing) }
            try await Task.sleep(for: .milliseconds(50))
            connection.abort()
            _ = await lianError(.connectionLost) { _ = try await pumping.value }
            withExtendedLifetime(input) {}
            withExtendedLifetime(output) {}
        }
    }

    @Test func rsyncSendsATreeThroughTheHelper() async throws {
        try await withConnection { _, connection in
            try await withTemporaryFolder(inMemory: true) { folder in
                let source = folder.appending(path: "source")
                for number in 0..<2000 {
                    let subfolder = source.appending(path: "folder \(number % 40)")
                    if number < 40 {
                        try FileManager.default.createDirectory(at: subfolder, withIntermediateDirectories: true)
                    }
                    let text = String(repeating: "line \(number)\n", count: number % 50)
                    try text.write(to: subfolder.appending(path: "file'\(number)"), atomically: false, encoding: .utf8)
                }
                let target = folder.appending(path: "target").path
                let receiver = try DescriptorReceiver(folder: folder.path)
                let command = Command(
                    "/usr/bin/rsync",
                    ["-a", "-W", "-e", "'\(Project.executable("lian-rsh"))'", source.path + "/", "runner:/ignored"],
                    environment: ["PATH": "/usr/bin:/bin", "LIAN_RSH_SOCKET": receiver.path])
                async let rsync = run(command, deadline: .seconds(120))
                let handed = try #require(try await receiver.receive(deadline: .now + .seconds(120)))
                let channel = try await connection.open("rsync --server -logDtprWe.iLsfxCIvu . \(target)/")
                let moved = try await channel.pump(input: handed.input, output: handed.output)
                let end = await channel.close()
                #expect(end == RemoteEnd(isClean: true, exitStatus: 0, signal: nil))
                handed.dismiss(exitStatus: UInt8(end.exitStatus ?? 255))
                let result = try await rsync
                #expect(result.termination == .exited(0), "\(result.errorText)")
                #expect(moved.sent > 100_000)
                try await runTool("/usr/bin/diff", ["-r", source.path, target])
                let differing = try await runTool(
                    "/usr/bin/rsync", ["-a", "-n", "-i", "-c", "--delete", source.path + "/", target + "/"])
                #expect(differing == "")
            }
        }
    }
}
