import CLinux
import Glibc

/// An errno with the call that set it.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    package let call: String
    package let code: Int32

    package init(_ call: String, _ code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    package var reason: String { String(cString: strerror(code)) }
    package var description: String { "\(call): \(reason)" }
}

/// An open descriptor with one owner: closed when the owner lets go of it.
package struct FileDescriptor: ~Copyable, Sendable {
    package let raw: Int32

    package init(owning raw: Int32) {
        self.raw = raw
    }

    deinit {
        close(raw)
    }

    /// Hands the descriptor to someone who closes it.
    package consuming func release() -> Int32 {
        let descriptor = raw
        discard self
        return descriptor
    }

    package struct Pipe: ~Copyable {
        package var read: FileDescriptor
        package var write: FileDescriptor

        package init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            guard lian_pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemError("pipe2") }
            read = FileDescriptor(owning: ends[0])
            write = FileDescriptor(owning: ends[1])
        }
    }
}
