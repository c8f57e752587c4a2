import LianModel

/// What turns a machine into a runner: one POSIX sh program, the same for all kinds of machines, given as user-data.
struct BootScript {
    /// Clouds take no more.
    static let limit = 24 << 10

    /// Where a runner's things are on a machine of its own.
    static let workDir = "/var/lib/lian/work"
    static let user = "root"
    /// The keys that its sshd lets in, read anew for each login.
    static let keysFile = "/var/lib/lian/authorized_keys"
    static let sshPort = 22
    /// Holds one line once the script has come to its end.
    static let wordFile = "/run/lian/boot"
    /// Where the runner's volume is, where it has one.
    static let volume = "/var/lib/lian/volume"
    /// Holds how the engine ended, unless it was stopped by `stop`.
    static let engineEndFile = "/run/lian/engine.end"
    static let statusOfKilled = "137"
    /// Holds one line once `stop` has come to its end.
    static let stopWordFile = "/run/lian/stop"
    /// Stops the engine so that its volume can be kept.
    static var stop: String { String(decoding: PackageResources.Stop_sh, as: UTF8.self) }

    enum Volume: String, Sendable { case cold, warm }

    let runnerID: String
    let callersKey: SSHPublicKey
    let hostKey: HostKey
    /// What is mounted at `volume`; nil where nothing is.
    var volume: Volume?

    var text: String {
        """
        #!/bin/sh
        runner=\(shellQuoted(runnerID))
        callers_key=\(shellQuoted(callersKey.line))
        host_key=\(shellQuoted(hostKey.privateText))
        volume=\(volume?.rawValue ?? "")
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
            } else if let reason = line.rest(after: "failed: ") {
                self = .failed(reason)
            } else {
                return nil
            }
        }

        /// Of an sshd's greeting; nil where the script has not come to its end, and the image's own sshd answers.
        static func of(greeting: String) -> Word? {
            greeting.firstRange(of: BootScript.mark).flatMap { Word(String(greeting[$0.upperBound...])) }
        }
    }

    /// Why the machine cannot work on its volume, of what the script has written to `wordFile`; nil where it can.
    static func volumeObstacle(_ text: String) -> VolumeObstacle? {
        if text.hasPrefix("volume ended: ") { return .engineEnds }
        return text.hasPrefix("volume slow: ") ? .engineIsSlow : nil
    }

    /// What `stop` has written to `stopWordFile`.
    enum StopWord: Equatable, Sendable {
        /// With how much is on the volume.
        case clean(bytes: Int)
        case unclear(String)

        init?(_ text: String) {
            let line = onOneLine(text.trimmingLineEnd())
            if let bytes = line.rest(after: "clean ").flatMap({ Int($0) }), bytes >= 0 {
                self = .clean(bytes: bytes)
            } else if let reason = line.rest(after: "unclear: ") {
                self = .unclear(reason)
            } else {
                return nil
            }
        }
    }
}

extension String {
    fileprivate func rest(after start: String) -> String? {
        hasPrefix(start) ? String(dropFirst(start.count)) : nil
    }
}
