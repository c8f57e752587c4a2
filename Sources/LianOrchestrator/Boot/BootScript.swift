import LianModel

/// What turns a machine into a runner: one POSIX sh program, the same for all kinds of machines, given as user-data.
struct BootScript {
    /// Clouds take no more.
    static let limit = 24 << 10

    /// Where a runner's things are on a machine of its own.
    static let workDir = "/var/lib/lian/work"
    static let user = "root"
    static let sshPort = 22
    /// Holds one line once the script has come to its end.
    static let wordFile = "/run/lian/boot"

    let runnerID: String
    let callersKey: SSHPublicKey
    let hostKey: HostKey

    var text: String {
        """
        #!/bin/sh
        runner=\(shellQuoted(runnerID))
        callers_key=\(shellQuoted(callersKey.line))
        host_key=\(shellQuoted(hostKey.privateText))
        restrictions=\(shellQuoted(SSHRestrictions.lines(user: Self.user)))
        buildctl_body() {
        cat <<'END_OF_BUILDCTL'

        """ + BuildctlShim.body + "END_OF_BUILDCTL\n}\n" + String(decoding: PackageResources.Boot_sh, as: UTF8.self)
    }

    /// What stands before the word where sshd tells it to everyone who connects.
    private static let mark = "lian-boot: "

    /// What the script has written to `wordFile`, and has its sshd say.
    enum Word: Equatable, Sendable {
        /// With the address of the machine's buildkitd, where it has one.
        case ready(buildkit: String?)
        case failed(String)

        init?(_ text: String) {
            let line = onOneLine(text.trimmingLineEnd())
            if line == "ready" {
                self = .ready(buildkit: nil)
            } else if line.hasPrefix("ready unix:///") {
                self = .ready(buildkit: String(line.dropFirst("ready ".count)))
            } else if line.hasPrefix("failed: ") {
                self = .failed(String(line.dropFirst("failed: ".count)))
            } else {
                return nil
            }
        }

        /// Of an sshd's greeting; nil where the script has not come to its end, and the image's own sshd answers.
        static func of(greeting: String) -> Word? {
            greeting.firstRange(of: BootScript.mark).flatMap { Word(String(greeting[$0.upperBound...])) }
        }
    }
}
