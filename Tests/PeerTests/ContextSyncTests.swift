import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianBuild
@testable import LianContext

/// A context goes from the real rsync here to the real one there.
@Suite(.needsRsync) struct ContextSyncTests {
    private let sync = ContextSync(
        rsync: LocalRsync(
            program: "/usr/bin/rsync", helper: Project.executable("lian-rsh"), environment: ["PATH": "/usr/bin:/bin"],
            timing: .system))

    /// Texts have four bits of news in two bytes.
    private enum Content { case text, noise }

    /// Some megabytes of context.
    private func withContext(
        of content: Content = .text,
        _ body: (_ root: URL, _ transfer: Resolution.Transfer) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { root in
            for name in ["app/deep/er", "programs"] {
                try FileManager.default.createDirectory(
                    at: root.appending(path: name), withIntermediateDirectories: true)
            }
            var generator = SeededGenerator(seed: 1)
            for name in ["Dockerfile", "a b", "deep/er/file"] {
                let noise = (0..<(1 << 17)).flatMap { _ in withUnsafeBytes(of: generator.next(), Array.init) }
                let bytes = content == .noise ? noise : noise.flatMap { [UInt8(ascii: "a") + $0 >> 4, 10] }
                try Data(bytes).write(to: root.appending(path: "app/\(name)"))
            }
            let context = try Context(root: root.path + "/app", dockerfile: "Dockerfile")
            let transfer = Resolution.Transfer(
                context: context, dockerfile: "Dockerfile", remoteName: "context-0", summary: try context.summary())
            try await body(root, transfer)
        }
    }

    /// rsync may end before the walk has begun: why, it says itself.
    @Test func aListThatNobodyReadsAnyMoreIsNoFailure() async throws {
        try await withContext { _, transfer in
            let list = open("/dev/null", O_WRONLY | O_CLOEXEC)
            defer { close(list) }
            let walk = WalkOutcome()
            walk.giveUp()
            walk.run(transfer, into: list)
            try walk.check()
        }
    }

    private func meter(_ transfer: Resolution.Transfer, _ seen: Seen = Seen()) -> ContextMeter {
        ContextMeter(
            files: transfer.summary.files, bytes: transfer.summary.bytes, reporter: seen, timing: .system)
    }

    private func send(
        _ transfer: Resolution.Transfer, from root: URL, _ given: ContextMeter? = nil
    ) async throws -> Int {
        let host = LocalHost(environment: ["PATH": "\(root.path)/programs:/usr/bin:/bin"])
        let sent = try await sync.send(
            transfer, transfer.summary.shrinks ? .zstd(threads: 2) : .none, meter: given ?? meter(transfer)
        ) {
            ContextSync.Destination(host: host, folder: root.path + "/there/context-0")
        } onStart: {
        }
        return sent.bytes
    }

    private func expectArrived(_ root: URL) async throws {
        let compared = try await run(
            Command("/usr/bin/diff", ["-r", "\(root.path)/app", "\(root.path)/there/context-0"], environment: [:]),
            deadline: .seconds(30))
        #expect(compared.termination.isSuccess, "\(compared.outputText)\(compared.errorText)")
    }

    @Test func textIsCompressedAndNoiseIsNot() async throws {
        try await withContext(of: .text) { root, transfer in
            #expect(try await send(transfer, from: root) < transfer.summary.bytes / 2)
            try await expectArrived(root)
        }
        try await withContext(of: .noise) { root, transfer in
            #expect(try await send(transfer, from: root) > transfer.summary.bytes)
            try await expectArrived(root)
        }
    }

    @Test func theMetersLastWordIsTheWholeContext() async throws {
        try await withContext { root, transfer in
            let seen = Seen()
            let meter = meter(transfer, seen)
            let sent = try await send(transfer, from: root, meter)
            #expect(sent < transfer.summary.bytes / 2)
            meter.finish()
            #expect(seen.bytes == transfer.summary.bytes)
        }
    }

    /// One that is older than what we ask for, or was built without it, gets the context all the same.
    @Test(arguments: [
        ("--checksum-choice", 1, "unknown option"), ("--compress-choice", 1, "unknown option"),
        ("--compress-choice", 4, "unknown compress name: zstd"),
    ])
    func anOlderRsyncOnTheRunnerIsSpokenToPlainly(option: String, status: Int, words: String) async throws {
        try await withContext { root, transfer in
            try writeProgram(
                """
                echo "$*" >>'\(root.path)/calls'
                case "$*" in *\(option)*) echo 'rsync: \(words)' >&2; exit \(status) ;; esac
                exec /usr/bin/rsync "$@"
                """, to: root.appending(path: "programs/rsync"))
            _ = try await send(transfer, from: root)
            try await expectArrived(root)
            let calls = try String(contentsOf: root.appending(path: "calls"), encoding: .utf8).split(separator: "\n")
            #expect(calls.count == 2 && !calls[1].contains("--ch") && !calls[1].contains("--co"))
        }
    }

    @Test func anOlderRsyncHereCompressesWithoutThreads() async throws {
        // As the program does: the one that refuses is gone before its list is written.
        signal(SIGPIPE, SIG_IGN)
        try await withContext { root, transfer in
            try writeProgram(
                """
                echo "$*" >>'\(root.path)/calls'
                case "$*" in *--compress-threads*) echo 'rsync: unknown option' >&2; exit 1 ;; esac
                exec /usr/bin/rsync "$@"
                """, to: root.appending(path: "programs/old-rsync"))
            let older = ContextSync(
                rsync: LocalRsync(
                    program: root.path + "/programs/old-rsync", helper: sync.rsync.helper,
                    environment: sync.rsync.environment,
                    timing: .system))
            let sent = try await older.send(transfer, .zstd(threads: 2), meter: meter(transfer)) {
                ContextSync.Destination(host: LocalHost(), folder: root.path + "/there/context-0")
            } onStart: {
            }
            #expect(sent.bytes < transfer.summary.bytes / 2)
            try await expectArrived(root)
            let calls = try String(contentsOf: root.appending(path: "calls"), encoding: .utf8).split(separator: "\n")
            #expect(calls.count == 2 && calls[1].contains("--compress-level=1"))
        }
    }

    @Test func anyOtherEndOfTheRunnersRsyncIsAnError() async throws {
        try await withContext { root, transfer in
            try writeProgram(
                "echo 'rsync: no space left' >&2\nexit 11", to: root.appending(path: "programs/rsync"))
            let error = try await #require(throws: LianError.self) {
                try await send(transfer, from: root)
            }
            #expect(error.code == .contextSyncFailed && error.message.contains("11"))
            #expect(error.logTail.joined().contains("no space left"))
        }
    }

    @Test func aTransferInWhichNothingMovesIsGivenUp() async throws {
        try await withContext { root, transfer in
            let time = SkippedTime()
            let patient = ContextSync(
                rsync: LocalRsync(
                    program: sync.rsync.program, helper: sync.rsync.helper, environment: sync.rsync.environment,
                    timing: time.timing))
            // It begins to speak, takes what comes and says no more.
            try writeProgram("printf v; exec cat >/dev/null", to: root.appending(path: "programs/rsync"))
            let host = LocalHost(environment: ["PATH": "\(root.path)/programs:/usr/bin:/bin"])
            let error = try await #require(throws: LianError.self) {
                _ = try await patient.send(transfer, .none, meter: meter(transfer)) {
                    ContextSync.Destination(host: host, folder: root.path + "/there/context-0")
                } onStart: {
                }
            }
            #expect(error.code == .contextSyncFailed && error.message.contains("nothing has moved for 60 s"))
            #expect(time.sleeps.count > 60 && Set(time.sleeps) == [.seconds(1)])
        }
    }

    /// rsync and the walk are through with what needs no connection by the time there is one.
    @Test func theLocalRsyncDoesNotWaitForTheRunner() async throws {
        try await withContext { root, transfer in
            let host = LocalHost()
            let temporary = root.appending(path: "tmp")
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            var sync = sync
            sync = ContextSync(
                rsync: LocalRsync(
                    program: sync.rsync.program, helper: sync.rsync.helper,
                    environment: ["PATH": "/usr/bin:/bin", "TMPDIR": temporary.path], timing: .system))
            let sawRsync = Mutex(false)
            let started = Mutex(false)
            _ = try await sync.send(transfer, .zstd(threads: 0), meter: meter(transfer)) {
                // Asked for by the transport that the local rsync has started.
                sawRsync.withLock { $0 = !processes(holding: temporary.path, in: "environ").isEmpty }
                return ContextSync.Destination(host: host, folder: root.path + "/there/context-0")
            } onStart: {
                started.withLock { $0 = true }
            }
            #expect(sawRsync.withLock { $0 } && started.withLock { $0 })
            try await expectArrived(root)
        }
    }
}

private func writeProgram(_ text: String, to file: URL) throws {
    try "#!/bin/sh\n\(text)\n".write(to: file, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
}

private final class Seen: BuildReporter {
    private let last = Mutex(0)

    var bytes: Int { last.withLock { $0 } }

    func report(_ event: ProgressEvent) {
        if case .context(let progress) = event { last.withLock { $0 = progress.sentBytes } }
    }
}
