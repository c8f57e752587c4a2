import Foundation
import LianChannel
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@Suite(.serialized) struct RsyncReceiverTests {
    @Test(arguments: [
        ["host", "rsync", "--server", "-logDtpre.iLsfxCIvu", ".", "x"],
        [
            "host", "rsync", "--server", "-lWogDtpre.iLsfxCIvu", "--compress-level=1", "--compress-choice=zstd",
            "--inplace", ".", "/x y",
        ],
        ["host", "rsync", "--server", "-logDtprce.iLsfxCIvu", "-@-1", "--delete-excluded", ".", "x"],
        ["-l", "user", "host", "rsync", "--server", "-lWHogDtpAXRe31.100002LsfxCIvu", "--numeric-ids", ".", "x"],
    ])
    func rsyncsOwnOptionsAreTaken(arguments: [String]) throws {
        let options = try RsyncServerOptions(transportArguments: arguments).options
        #expect(arguments.dropLast(2).suffix(options.count) == options[...])
        #expect(options.first?.hasPrefix("-l") == true)
    }

    @Test func theOtherSideSendsWhereItIsAskedTo() throws {
        let sends = ["host", "rsync", "--server", "--sender", "-lWtpre.LsfxCIvu", "--inplace", ".", "output-0/"]
        #expect(
            try RsyncServerOptions(transportArguments: sends, sends: true).options == ["-lWtpre.LsfxCIvu", "--inplace"])
        let receives = sends.filter { $0 != "--sender" }
        #expect(throws: RemoteFailure.self) { try RsyncServerOptions(transportArguments: receives, sends: true) }
        #expect(throws: RemoteFailure.self) { try RsyncServerOptions(transportArguments: sends) }
    }

    @Test(arguments: [
        [], ["host", "rsync", "-a", ".", "x"], ["host", "rsync", "--server", "-a", "x"],
        ["host", "rsync", "--server", "--sender", "-logDtpr", ".", "x"],
        ["host", "rsync", "--server", "-slogDtpre.iLsfxCIvu", ".", "x"],
        ["host", "rsync", "--server", "-re.iLs;x", ".", "x"], ["host", "rsync", "--server", "-re.i$(x)", ".", "x"],
        ["host", "rsync", "--server", "--log-file=/etc/x", ".", "x"],
        ["host", "rsync", "--server", "--temp-dir=/x", ".", "x"],
        ["host", "rsync", "--server", "--rsync-path=x", ".", "x"],
        ["host", "rsync", "--server", "--compress-level=1 --daemon", ".", "x"],
        ["host", "rsync", "--server", "--daemon", ".", "x"], ["host", "rsync", "--server", "-", ".", "x"],
        ["host", "rsync", "--server", "-r\n", ".", "x"], ["host", "rsync", "--server", "-@/x", ".", "x"],
    ])
    func everythingElseIsRefused(arguments: [String]) {
        #expect(throws: RemoteFailure.self) { try RsyncServerOptions(transportArguments: arguments) }
    }

    @Test(
        .needsRsync,
        arguments: [["-a"], ["-a", "-W", "--inplace", "-z", "--zc=zstd", "--zl=1"], ["-aH", "--delete"]])
    func realRsyncArrives(options: [String]) async throws {
        // A login shell that greets breaks rsync over ssh; not here.
        let host = LocalHost(launcher: ["/bin/sh", "-c", "echo welcome; exec \"$@\"", "sh"])
        try await withRuns(on: host) { runs in
            let source = runs.root + "/source"
            let names = ["a b", "it's", "$(touch pwned)", "-rf", "ünïcode", "line\nbreak", "deep/er/file"]
            for name in names {
                let file = URL(filePath: "\(source)/\(name)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data((0..<20_000).map { _ in UInt8.random(in: 0...255) }).write(to: file)
            }
            try FileManager.default.createSymbolicLink(atPath: source + "/link", withDestinationPath: "a b")
            try FileManager.default.createDirectory(atPath: source + "/empty", withIntermediateDirectories: true)
            let destination = runs.root + "/work dir/it's/context"
            try await send(source, to: destination, options: options, runs)
            let compared = try await run(
                Command("/usr/bin/diff", ["-r", "--no-dereference", source, destination], environment: [:]),
                deadline: .seconds(10))
            #expect(compared.outputText + compared.errorText == "")
            let mode = try FileManager.default.attributesOfItem(atPath: runs.root + "/work dir")[.posixPermissions]
            #expect(mode as? Int == 0o700)
            #expect(!runs.exists("pwned"))
        }
    }

    @Test func folderThatCannotBeMadeIsNamed() async throws {
        let options = try RsyncServerOptions(transportArguments: ["h", "rsync", "--server", "-re.i", ".", "x"])
        let channel = try await startRsyncReceiver(on: LocalHost(), folder: "/proc/nowhere/x", options: options)
        await #expect(throws: RemoteFailure.folderUnusable("/proc/nowhere/x")) {
            while try await channel.read() != nil {}
        }
        _ = await channel.close()
    }

    @Test func missingRsyncIsNamed() async throws {
        try await withTemporaryFolder { tools in
            for name in ["dd", "mkdir"] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(tools.path)/\(name)", withDestinationPath: "/bin/\(name)")
            }
            let host = LocalHost(environment: ["PATH": tools.path])
            let options = try RsyncServerOptions(transportArguments: ["h", "rsync", "--server", "-re.i", ".", "x"])
            let channel = try await startRsyncReceiver(on: host, folder: tools.path + "/context", options: options)
            await #expect(throws: RemoteFailure.rsyncMissing) { while try await channel.read() != nil {} }
            _ = await channel.close()
        }
    }

    /// Runs the real rsync with a transport that hands its two streams on to the channel.
    private func send(_ source: String, to destination: String, options: [String], _ runs: RunFixture) async throws {
        let up = runs.root + "/up", down = runs.root + "/down", words = runs.root + "/arguments"
        mkfifo(up, 0o600)
        mkfifo(down, 0o600)
        let transport = runs.root + "/transport"
        let script = """
            #!/bin/sh
            for word in "$@"; do printf '%s\\n' "$word"; done >'\(words)'.part
            mv '\(words)'.part '\(words)'
            exec 3<&0
            cat <&3 >'\(up)' &
            cat '\(down)'
            # rsync waits for its transport's end before it closes its own side.
            kill $!
            """
        try Data(script.utf8).write(to: URL(filePath: transport))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: transport)
        let sending = Task {
            try await run(
                Command("/usr/bin/rsync", options + ["-e", transport, source + "/", "runner:x"], environment: [:]),
                deadline: .seconds(30))
        }
        #expect(await eventually { FileManager.default.fileExists(atPath: words) })
        let arguments = try String(contentsOfFile: words, encoding: .utf8).split(separator: "\n").map(String.init)
        let channel = try await startRsyncReceiver(
            on: runs.host, folder: destination, options: try RsyncServerOptions(transportArguments: arguments))
        let (input, output) = await onOwnThread { (open(up, O_RDONLY), open(down, O_WRONLY)) }
        let pumped = try await channel.pump(input: input, output: output)
        close(output)
        close(input)
        let complaints = String(decoding: pumped.errorOutput, as: UTF8.self)
        let result = try await sending.value
        #expect(result.termination == .exited(0), "\(result.errorText) \(complaints)")
        #expect(complaints.split(separator: "\n") == [])
        #expect(await channel.close() == RemoteEnd(isClean: true, exitStatus: 0, signal: nil))
    }
}
