import Foundation
import Glibc
import LianSystem
import Synchronization

/// A daemon of a test's own, its two outputs in one file.
package final class RunningProcess: Sendable {
    private let pid: pid_t
    private let outputPath: String
    private let isReaped = Mutex(false)

    package init(_ command: Command, outputFile: URL) throws {
        outputPath = outputFile.path
        let file = open(outputPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SystemError("open \(outputPath)") }
        let descriptor = FileDescriptor(owning: file)
        pid = try spawnChild(command, streams: StandardStreams(output: descriptor.raw, error: descriptor.raw))
    }

    package var output: String {
        String(decoding: FileManager.default.contents(atPath: outputPath) ?? Data(), as: UTF8.self)
    }

    /// Stops its whole group in its tracks, and waits until it stands still.
    package func pause() {
        isReaped.withLock { isReaped in
            guard !isReaped else { return }
            kill(-pid, SIGSTOP)
            while waitpid(pid, nil, WUNTRACED) < 0 && errno == EINTR {}
        }
    }

    package func goOn() {
        isReaped.withLock { isReaped in
            if !isReaped { kill(-pid, SIGCONT) }
        }
    }

    /// Ends it, stopped or not, and waits for it. More than once does no harm.
    package func stop() {
        isReaped.withLock { isReaped in
            guard !isReaped else { return }
            kill(-pid, SIGKILL)
            while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
            isReaped = true
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
