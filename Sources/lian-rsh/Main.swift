import CLinux
import Glibc
import LianSystem

/// What rsync starts as its remote shell: hands its standard input and output to the process that listens at
/// LIAN_RSH_SOCKET, waits there for the exit status, and exits with it.
@main
struct Main {
    /// What ssh itself exits with when its connection fails.
    static let failure: Int32 = 255

    static func main() {
        guard let path = getenv("LIAN_RSH_SOCKET") else {
            fail("LIAN_RSH_SOCKET is not set; lian-build alone starts this program")
        }
        do {
            exit(try handOver(to: String(cString: path)))
        } catch {
            fail(error.description)
        }
    }

    static func handOver(to path: String) throws(SystemError) -> Int32 {
        let listener = try connectUnixSocket(path: path)
        guard lian_send_descriptors(listener.raw, [STDIN_FILENO, STDOUT_FILENO]) == 1 else {
            throw SystemError("sendmsg \(path)")
        }
        // Held open here as well, neither stream would ever end for rsync.
        close(STDIN_FILENO)
        close(STDOUT_FILENO)
        var status: UInt8 = 0
        while true {
            let count = read(listener.raw, &status, 1)
            if count == 1 { return Int32(status) }
            if count == 0 { return failure }
            guard errno == EINTR else { throw SystemError("read \(path)") }
        }
    }

    static func fail(_ message: String) -> Never {
        let text = Array("lian-rsh: \(message)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
        exit(failure)
    }
}
