import Dispatch
import Glibc
import LianChannel
import LianModel
import LianSSH
import LianSystem

/// For the benchmark: connects as a build does, runs `true` there, and leaves; `ssh HOST true` by our library.
@main
struct Main {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        Task { _exit(await run(arguments)) }
        dispatchMain()
    }

    private static func run(_ arguments: [String]) async -> Int32 {
        guard arguments.count == 5, let port = Int(arguments[1]), let hostKey = SSHPublicKey(line: arguments[4]) else {
            return fail("bench-connect HOST PORT USER KEYFILE HOSTKEY", status: 2)
        }
        do {
            let endpoint = SSHEndpoint(host: arguments[0], port: port, user: arguments[2])
            let key = try await SSHKeyFile(path: arguments[3]).unlock(passphrase: .value(""), agentSocket: nil)
            let connection = try await SSHConnection.connect(
                to: endpoint, key: key, hostKeys: .pinned([hostKey]), deadline: .now + .seconds(20))
            let channel = try await connection.execute("true")
            while try await channel.read() != nil {}
            let end = await channel.close()
            await connection.disconnect()
            return end.isClean && end.exitStatus == 0 ? 0 : fail("the command did not end well: \(end)", status: 1)
        } catch {
            return fail("\(error)", status: 1)
        }
    }

    private static func fail(_ message: String, status: Int32) -> Int32 {
        try? writeAll(STDERR_FILENO, Array("\(message)\n".utf8))
        return status
    }
}
