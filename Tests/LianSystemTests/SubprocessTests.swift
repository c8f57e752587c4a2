import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@Suite struct SubprocessTests {
    private func shell(_ script: String) -> Command {
        Command("/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin"])
    }

    @Test func outputAndExitCodeArrive() async throws {
        let result = try await run(shell("printf out; printf err >&2; exit 7"), deadline: .seconds(120))
        #expect(result.termination == .exited(7))
        #expect(result.outputText == "out")
        #expect(result.errorText == "err")
    }

    @Test func largeInputAndOutputDoNotDeadlock() async throws {
        let input = [UInt8](repeating: 65, count: 3 << 20)
        let result = try await run(
            shell("cat; cat /dev/zero | head -c 300000 >&2"), input: .bytes(input), deadline: .seconds(120))
        #expect(result.output == input)
        #expect(result.error.count == 300_000)
    }

    @Test func signalsAreTold() async throws {
        let result = try await run(shell("kill -9 $$"), deadline: .seconds(120))
        #expect(result.termination == .signalled(SIGKILL))
    }

    @Test func deadlineEndsTheWholeGroup() async throws {
        // Both grandchildren ignore SIGTERM and hold the pipes.
        let marker = "lian-test-\(UInt64.random(in: 0..<UInt64.max))"
        let error = await #expect(throws: SubprocessFailure.self) {
            try await run(
                shell("(trap '' TERM; sleep 600; : \(marker)) & (trap '' TERM; sleep 601; : \(marker)) & wait"),
                deadline: .milliseconds(200))
        }
        #expect(error == .timedOut)
        // The kernel may be a moment behind with those that were killed.
        #expect(await eventually { !processExists(withArgument: marker) })
    }

    @Test func floodIsCut() async throws {
        let error = await #expect(throws: SubprocessFailure.self) {
            try await run(shell("yes"), deadline: .seconds(120), outputLimit: 100_000)
        }
        #expect(error == .tooMuchOutput)
    }

    @Test func cancellingEndsTheChild() async throws {
        let task = Task { try await run(shell("sleep 600"), deadline: .seconds(600)) }
        task.cancel()
        await #expect(throws: SubprocessFailure.cancelled) { try await task.value }
    }

    @Test func missingProgramIsAnError() async throws {
        let error = await #expect(throws: SubprocessFailure.self) {
            try await run(Command("/nonexistent/program", environment: [:]), deadline: .seconds(1))
        }
        #expect(error == .couldNotStart(SystemError("posix_spawn /nonexistent/program", ENOENT)))
    }

    @Test func childrenGetSignalsAndDescriptorsClean() async throws {
        signal(SIGPIPE, SIG_IGN)
        let result = try await run(
            shell("grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd"), deadline: .seconds(120))
        let lines = result.outputText.split(whereSeparator: \.isNewline)
        // Signals 32 and 33 are glibc's own: its posix_spawn always leaves them ignored.
        let ignored = lines.prefix(2).map { (UInt64($0.suffix(16), radix: 16) ?? 1) & ~0x1_8000_0000 }
        #expect(ignored == [0, 0])
        // ls itself holds one more for the folder it lists.
        #expect(lines.dropFirst(2).count == 4)
    }

    @Test func executablesAreFoundOnThePath() {
        #expect(findExecutable("sh", path: "/nonexistent:/usr/bin:/bin")?.hasSuffix("/sh") == true)
        #expect(findExecutable("sh", path: "") == nil)
        #expect(findExecutable("sh", path: nil) == nil)
        #expect(findExecutable("/bin/sh", path: nil) == "/bin/sh")
        #expect(findExecutable("etc", path: "/") == nil)
    }

    /// As it is while another thread starts a child.
    @Test func aProgramThatIsStillBeingWrittenIsWaitedFor() async throws {
        try await withTemporaryFolder { folder in
            let program = folder.appending(path: "program").path
            let descriptor = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
            try #require(write(descriptor, "#!/bin/sh\necho done\n", 20) == 20)
            async let result = run(Command(program, environment: [:]), deadline: .seconds(120))
            try await Task.sleep(for: .milliseconds(10))
            close(descriptor)
            #expect(try await result.outputText == "done\n")
        }
    }

    @Test func addressSpaceIsLimitedFromTheFirstMoment() async throws {
        var command = shell("ulimit -v")
        command.addressSpaceLimit = 1 << 31
        let result = try await run(command, deadline: .seconds(120))
        #expect(result.outputText == "2097152\n")
    }
}

/// Whether any process carries the text in its arguments.
private func processExists(withArgument text: String) -> Bool {
    guard let folder = opendir("/proc") else { return false }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard Int(name) != nil, let file = fopen("/proc/\(name)/cmdline", "r") else { continue }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, file)
        if String(decoding: buffer[..<count], as: UTF8.self).contains(text) { return true }
    }
    return false
}
