import CLinux
import Glibc
import LianSystem

/// Where the passphrase of an encrypted key comes from.
package enum PassphraseSource: Sendable {
    /// SSH_KEY_PASSPHRASE.
    case value(String)
    /// Asks a person; nil where there is nobody to ask.
    case ask(@Sendable (_ prompt: String) async throws -> String?)
}

/// Asks on the terminal of this process, whatever its standard streams are, without showing what is typed.
/// Nil where there is no terminal; a cancelled task stops waiting at once.
package func askOnTerminal(_ prompt: String) async throws -> String? {
    let canceller = try Waker()
    let answer = await withTaskCancellationHandler {
        await onOwnThread { readLineFromTerminal(prompt: prompt, canceller: canceller) }
    } onCancel: {
        canceller.wake()
    }
    try Task.checkCancellation()
    return answer
}

private func readLineFromTerminal(prompt: String, canceller: Waker) -> String? {
    let raw = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
    guard raw >= 0 else { return nil }
    let terminal = FileDescriptor(owning: raw)
    var saved = termios()
    guard tcgetattr(terminal.raw, &saved) == 0 else { return nil }
    var silent = saved
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(terminal.raw, TCSAFLUSH, &silent)
    defer { tcsetattr(terminal.raw, TCSAFLUSH, &saved) }
    show(prompt, on: terminal.raw)
    defer { show("\n", on: terminal.raw) }

    var line: [UInt8] = []
    while line.count < 4096 {
        guard canceller.wait(for: POLLIN, on: terminal.raw) == .ready else { return nil }
        var byte: UInt8 = 0
        let count = read(terminal.raw, &byte, 1)
        if count == 1, byte != UInt8(ascii: "\n") {
            line.append(byte)
        } else if count >= 0 {
            return String(decoding: line, as: UTF8.self)
        } else if errno != EINTR {
            return nil
        }
    }
    return String(decoding: line, as: UTF8.self)
}

private func show(_ text: String, on terminal: Int32) {
    let bytes = Array(text.utf8)
    _ = write(terminal, bytes, bytes.count)
}
