import Foundation
import Glibc
import LianSystem
import Synchronization

/// A program of a test's own that runs beside it; its two outputs in one file, unless the second is given its own.
package final class RunningProcess: Sendable {
    package let pid: pid_t
    private let outputPath: String
    private let end = Mutex<Termination?>(nil)

    /// In a session of its own it has no terminal, also where the tests have one.
    package init(_ command: Command, outputFile: URL, errorFile: URL? = nil, newSession: Bool = false) throws {
        outputPath = outputFile.path
        let output = try Self.open(outputFile)
        let errors = try Self.open(errorFile ?? outputFile)
        pid = try spawnChild(
            command, streams: StandardStreams(output: output.raw, error: errors.raw), newSession: newSession)
    }

    /// The same with a terminal in the place of its standard error.
    package init(_ command: Command, outputFile: URL, terminal: PseudoTerminal) throws {
        outputPath = outputFile.path
        let output = try Self.open(outputFile)
        pid = try spawnChild(command, streams: StandardStreams(output: output.raw, error: terminal.programEnd))
    }

    private static func open(_ file: URL) throws -> FileDescriptor {
        let descriptor = Glibc.open(file.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("open \(file.path)") }
        return FileDescriptor(owning: descriptor)
    }

    package var output: String {
        String(decoding: FileManager.default.contents(atPath: outputPath) ?? Data(), as: UTF8.self)
    }

    /// Stops its whole group in its tracks, and waits until it stands still.
    package func pause() {
        end.withLock { end in
            guard end == nil else { return }
            kill(-pid, SIGSTOP)
            // Not by waitpid, which tells of no second stop that comes right after the first one's end.
            let limit = ContinuousClock.now + .seconds(10)
            while !standsStill, ContinuousClock.now < limit { usleep(1000) }
        }
    }

    /// Every thread is stopped, or has ended.
    private var standsStill: Bool {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return threads.allSatisfy { thread in
            let status = (try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/stat", encoding: .utf8)) ?? ""
            guard let end = status.lastIndex(of: ")") else { return true }
            return ["T", "t", "Z", "X"].contains(status[end...].split(separator: " ").dropFirst().first)
        }
    }

    package func goOn() {
        signal(SIGCONT)
    }

    /// To its whole group.
    package func signal(_ signal: Int32) {
        end.withLock { end in
            if end == nil { kill(-pid, signal) }
        }
    }

    package var isRunning: Bool { collect(WNOHANG) == nil }

    /// How it ended by itself; nil where it did not in time. The limit only ends a test that fails.
    package func ended(within limit: Duration = .seconds(120)) async -> Termination? {
        _ = await eventually(within: limit) { !isRunning }
        return collect(WNOHANG)
    }

    /// Ends it, stopped or not, and waits for it. More than once does no harm.
    package func stop() {
        signal(SIGKILL)
        _ = collect(0)
    }

    /// kill -9 of the program alone: what it has started lives on.
    package func killAlone() {
        end.withLock { end in
            if end == nil { kill(pid, SIGKILL) }
        }
        _ = collect(0)
    }

    private func collect(_ options: Int32) -> Termination? {
        end.withLock { end in
            var status: Int32 = 0
            while end == nil {
                let result = waitpid(pid, &status, options)
                if result == pid { end = Termination(waitStatus: status) }
                if result == 0 || (result < 0 && errno != EINTR) { break }
            }
            return end
        }
    }
}

/// The number that follows the text in the process's output, as soon as it stands there.
package func number(after text: String, in process: RunningProcess) async throws -> Int {
    var found: Int?
    _ = await eventually {
        guard let range = process.output.firstRange(of: text) else { return false }
        let digits = process.output[range.upperBound...].prefix { $0.isNumber }
        // Whatever follows shows that all digits are there.
        guard process.output[range.upperBound...].count > digits.count else { return false }
        found = Int(digits)
        return true
    }
    guard let found else { throw ProcessNotReady(waitedFor: text, output: process.output) }
    return found
}

package struct ProcessNotReady: Error {
    package let waitedFor: String
    package let output: String
}
