import Foundation
import Glibc
import LianSystem

/// A program in a mount namespace of its own: what it does to the mounts, the machine's do not feel. Within, mounts are
/// shared with the namespaces below, as systemd has them on a whole machine.
package enum OwnMounts {
    /// A command line that becomes what is appended to it, after the shell commands of the preparation.
    package static func launcher(preparation: String = ":") -> [String] {
        [
            "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
            "mount --make-rshared / && \(preparation) && exec \"$@\"", "sh",
        ]
    }

    /// Runs shell commands in the mount namespace of a process.
    @discardableResult
    package static func run(_ commands: String, besides pid: pid_t) async throws -> String {
        try await runTool("/usr/bin/nsenter", ["--mount=/proc/\(pid)/ns/mnt", "/bin/sh", "-ec", commands])
    }

    /// What is mounted for a process: the numbers of the mounts and where they are.
    package static func mounts(of pid: pid_t) throws -> Set<String> {
        let table = try String(contentsOfFile: "/proc/\(pid)/mountinfo", encoding: .utf8)
        return Set(
            table.split(separator: "\n").map { line in
                let fields = line.split(separator: " ")
                return "\(fields[0]) \(fields[4])"
            })
    }
}
