import FoundationEssentials
import Glibc
import LianModel
import LianSystem

/// A user's key file as it lies on the disk: recognised and judged without a passphrase, as far as that goes.
package struct SSHKeyFile: Sendable {
    package let path: String
    /// Nil only for an encrypted PEM file, which does not show its public key without the passphrase.
    package let publicKey: SSHPublicKey?
    package let content: Content

    package enum Content: Sendable {
        /// In any form that libssh2 reads.
        case privateKey(text: [UInt8], isEncrypted: Bool)
        /// The private half is in the agent.
        case publicKey
    }

    package var needsPassphrase: Bool {
        if case .privateKey(_, isEncrypted: true) = content { true } else { false }
    }

    /// The most that a key file may hold.
    private static let sizeLimit = 1 << 20

    package init(path: String, use: SSHKeyUse = .login) throws(LianError) {
        self.path = path
        let problems = KeyProblems(path: path, use: use)
        let (bytes, status) = try Self.read(path, problems)
        let text = String(decoding: bytes, as: UTF8.self)
        let body = text.trimmingPrefix(while: \.isWhitespace)
        if body.hasPrefix("-----BEGIN") {
            guard status.st_uid != getuid() || status.st_mode & 0o077 == 0 else {
                throw problems.openToOthers(mode: status.st_mode & 0o777)
            }
            if body.hasPrefix(OpenSSHKeyFormat.header) {
                let key = try OpenSSHKeyFormat.Head(text, problems)
                try problems.check(key.publicKey.algorithm)
                publicKey = key.publicKey
                content = .privateKey(text: bytes, isEncrypted: key.isEncrypted)
            } else {
                let pem = try PEMKey(text, problems)
                publicKey = pem.isEncrypted ? nil : try pem.publicKey(passphrase: nil, problems)
                content = .privateKey(text: bytes, isEncrypted: pem.isEncrypted)
            }
        } else if let key = body.split(whereSeparator: \.isNewline).first.flatMap({ SSHPublicKey(line: String($0)) }) {
            try problems.check(key.algorithm)
            publicKey = key
            content = .publicKey
        } else {
            throw problems.notAKey(text)
        }
    }

    private static func read(_ path: String, _ problems: KeyProblems) throws(LianError) -> ([UInt8], stat) {
        let found: (bytes: [UInt8], status: stat)
        do {
            let file = try RegularFile.open(path)
            found = (try file.read(limit: sizeLimit), file.status)
        } catch {
            throw switch error {
            case .system(let error): problems.cannotOpen(error.code)
            case .notARegularFile: problems.notAFile(isFolder: fileKind(path) == .folder)
            case .tooLarge: problems.notAKey("")
            }
        }
        guard !found.bytes.isEmpty else { throw problems.empty() }
        return found
    }
}

/// What a key is wanted for.
package enum SSHKeyUse: Sendable {
    /// To log in on a runner: libssh2 has to be able to use it.
    case login
    /// For the steps of a build, which ask an agent to sign with it: libcrypto is enough.
    case forwarding
}

/// The errors of one key file: each names what is wrong and the line that mends it.
struct KeyProblems {
    let path: String
    var use = SSHKeyUse.login

    private var flag: String {
        switch use {
        case .login: "--ssh-key"
        case .forwarding: "--ssh ID=FILE"
        }
    }

    private func problem(_ message: String, hint: String) -> LianError {
        LianError(.sshKeyUnusable, .resolve, message, hint: hint)
    }

    private var quotedPath: String { shellQuoted(path) }

    /// A new key goes beside the old one, never over it.
    private var newKeyLine: String { "ssh-keygen -t ed25519 -f \(shellQuoted("\(path)_ed25519"))" }

    func cannotOpen(_ code: Int32) -> LianError {
        if code == ENOENT || code == ENOTDIR {
            return problem(
                "there is no SSH key at \(path)",
                hint: "Name an existing private key with \(flag), make one with ssh-keygen -t ed25519 -f "
                    + "\(quotedPath), or use \(use == .login ? "--ssh-key ephemeral" : "an agent: --ssh ID").")
        }
        return problem(
            "the SSH key \(path) cannot be read: \(String(cString: strerror(code)))",
            hint: "Let the user that runs lian-build read it: chown it to that user, then chmod 600 \(quotedPath)")
    }

    func notAFile(isFolder: Bool) -> LianError {
        problem(
            "\(path) is \(isFolder ? "a folder" : "not a regular file"), not an SSH key",
            hint: "Name the private key file itself with \(flag).")
    }

    func empty() -> LianError {
        problem("the SSH key \(path) is empty", hint: "Name another key, or make a new one: \(newKeyLine)")
    }

    func openToOthers(mode: mode_t) -> LianError {
        problem(
            "the SSH key \(path) is open to other users (mode 0\(String(mode, radix: 8)))",
            hint: "chmod 600 \(quotedPath)")
    }

    func notAKey(_ text: String) -> LianError {
        if text.hasPrefix("PuTTY-User-Key-File") {
            return problem(
                "\(path) is a PuTTY key, which libssh2 does not read",
                hint: "Convert it: puttygen \(quotedPath) -O private-openssh-new -o \(quotedPath).openssh")
        }
        if text.hasPrefix("---- BEGIN SSH2 PUBLIC KEY") {
            return problem(
                "\(path) is a public key in the RFC 4716 form, which is not read",
                hint: "Convert it: ssh-keygen -i -f \(quotedPath) > \(quotedPath).pub")
        }
        return problem(
            "\(path) is not an SSH key", hint: "Name a private key with \(flag), or make one: \(newKeyLine)")
    }

    func damaged() -> LianError {
        problem(
            "the SSH key \(path) is damaged: it does not decode",
            hint: "Check it with ssh-keygen -y -f \(quotedPath), or make a new one: \(newKeyLine)")
    }

    func unreadableForm(_ what: String) -> LianError {
        problem("the SSH key \(path) is \(what)", hint: "Make a key that can be used: \(newKeyLine)")
    }

    func ed25519InPKCS8() -> LianError {
        problem(
            "the SSH key \(path) is an ed25519 key in PKCS#8 (PEM) form, which libssh2 cannot read",
            hint: "With OpenSSH 9.6 or newer convert it: ssh-keygen -p -f \(quotedPath); "
                + "otherwise make a new one: \(newKeyLine)")
    }

    func undecodableHere(cipher: String) -> LianError {
        problem(
            "the SSH key \(path) is encrypted with \(cipher), which libssh2 \(SSHLibrary.version) cannot decrypt",
            hint: "Encrypt it anew: ssh-keygen -p -Z aes256-ctr -f \(quotedPath)")
    }

    func refusedByLibrary(_ algorithm: String) -> LianError {
        problem(
            "libssh2 \(SSHLibrary.version) cannot use the \(algorithm) key \(path)",
            hint: "Rewrite it in the OpenSSH form: ssh-keygen -p -f \(quotedPath); or make a new one: \(newKeyLine)")
    }

    func encrypted() -> LianError {
        problem(
            "the SSH key \(path) is encrypted, and --ssh takes no key that needs a passphrase",
            hint: "Let an agent hold it: ssh-add \(quotedPath), and --ssh ID without a file.")
    }

    func publicHalf() -> LianError {
        problem(
            "\(path) is a public key, and --ssh needs the private one",
            hint: "Name the private key file with \(flag), or leave the file out for the agent at SSH_AUTH_SOCK.")
    }

    func passphraseMissing() -> LianError {
        problem(
            "the SSH key \(path) is encrypted and there is no terminal to ask for its passphrase",
            hint: "Set SSH_KEY_PASSPHRASE, name the public key and keep the private half in ssh-agent, "
                + "or take the passphrase off: ssh-keygen -p -N '' -f \(quotedPath)")
    }

    func passphraseWrong() -> LianError {
        problem(
            "the passphrase for the SSH key \(path) is wrong",
            hint: "Try it with ssh-keygen -y -f \(quotedPath), and check SSH_KEY_PASSPHRASE.")
    }

    func noAgent() -> LianError {
        problem(
            "\(path) is a public key, and no ssh-agent is there to sign with its private half",
            hint: "Name the private key with --ssh-key, or start an agent and set SSH_AUTH_SOCK: "
                + "eval \"$(ssh-agent)\" && ssh-add PRIVATE_KEY")
    }

    func agentFailed(_ reason: String) -> LianError {
        problem(
            "the ssh-agent at SSH_AUTH_SOCK does not work: \(reason)",
            hint: "Check it with ssh-add -l, or name the private key with --ssh-key.")
    }

    func notInAgent(_ key: SSHPublicKey) -> LianError {
        problem(
            "the ssh-agent does not hold the private half of \(path) (\(key.description))",
            hint: "Add it with ssh-add PRIVATE_KEY, or name the private key with --ssh-key.")
    }

    /// Refuses the algorithms that cannot authenticate with this libssh2.
    func check(_ algorithm: String) throws(LianError) {
        switch algorithm {
        case "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521":
            return
        case "ssh-rsa":
            guard use == .login, !SSHLibrary.signsRSAWithSHA2 else { return }
            throw problem(
                "the SSH key \(path) is an RSA key: libssh2 \(SSHLibrary.version) signs it with SHA-1 only, which "
                    + "current servers refuse",
                hint: "Use an ed25519 key: \(newKeyLine); libssh2 1.11 or newer mends RSA.")
        case "ssh-dss":
            throw problem(
                "the SSH key \(path) is a DSA key, which current servers refuse",
                hint: "Use an ed25519 key: \(newKeyLine)")
        case let name where name.hasPrefix("sk-"):
            throw problem(
                "the SSH key \(path) is a FIDO security key (\(name)), which libssh2 cannot use",
                hint: "Use a key without a token: \(newKeyLine)")
        case let name where name.contains("-cert-v01@"):
            throw problem(
                "\(path) is an SSH certificate (\(name)), which is not supported",
                hint: "Name the private key itself with \(flag).")
        default:
            throw problem(
                "the SSH key \(path) is of the unknown algorithm \(algorithm)",
                hint: "Use an ed25519 key: \(newKeyLine)")
        }
    }
}
