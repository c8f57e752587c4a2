import LianChannel
import LianModel
import LianSystem

/// Writes a request as the wrapper reads it: lines, values as a count of lines and the lines, files as bytes.
struct WrapperRequest {
    private(set) var bytes: [UInt8] = []
    let nonce: Nonce
    /// For errors: the remote side does not repeat names.
    let folder: String
    let program: String
    /// Masks what the other side says where it is no wrapper at all: a shell quotes what it cannot run.
    let mask: SecretMask

    init(
        _ verb: String, nonce: Nonce = Nonce(), folder: String = "", program: String = "",
        hiding mask: SecretMask = .none
    ) {
        self.nonce = nonce
        self.folder = folder
        self.program = program
        self.mask = mask
        line(nonce.text)
        line(verb)
    }

    mutating func line(_ text: String) {
        bytes += text.utf8
        bytes.append(UInt8(ascii: "\n"))
    }

    mutating func line(_ number: Int) {
        line(String(number))
    }

    mutating func value(_ text: String) throws(RemoteFailure) {
        guard !text.utf8.contains(0) else { throw .invalidRequest("a value contains a NUL byte") }
        line(1 + text.utf8.count { $0 == UInt8(ascii: "\n") })
        line(text)
    }

    mutating func values(_ texts: some Collection<String>) throws(RemoteFailure) {
        line(texts.count)
        for text in texts { try value(text) }
    }

    mutating func file(_ file: SecretFile) {
        line(file.name)
        line(file.bytes.count)
        bytes += file.bytes
    }
}

/// 128 bits that only we and the remote side know: records count only behind them, and a run is attached to again
/// with them alone.
package struct Nonce: Sendable, Equatable {
    let text: String

    package init() {
        text = hexadecimal(randomBytes(16))
    }
}

/// A file that the command finds at `secrets/NAME` in its folder, which lies in memory and goes with the run.
package struct SecretFile: Sendable {
    package let name: String
    package let bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// Whether the wrapper takes the name too: no folders, nothing hidden.
    var hasPlainName: Bool {
        !name.isEmpty && !name.hasPrefix(".")
            && name.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "._-".utf8.contains($0) }
    }
}

/// A command to run on the runner.
package struct RunRequest: Sendable {
    /// Made for this run, absolute: the command's working folder, with its log and its secrets. A file `result` that
    /// the command leaves there can be fetched.
    package var folder: String
    package var arguments: [String]
    /// Added to what the runner's user has anyway.
    package var environment: [String: String]
    package var secrets: [SecretFile]
    /// Those that the command finds at sockets in its folder.
    package var agents: [any ForwardedAgent] = []
    /// Hides the secrets in errors.
    private let mask: SecretMask
    /// How long the run goes on while nobody is attached.
    package var grace: Duration = .seconds(60)
    package var heartbeat: Duration = .seconds(5)
    /// The connection counts as lost after this long without a byte.
    package var silenceLimit: Duration = .seconds(20)

    package init(
        folder: String, arguments: [String], environment: [String: String] = [:], secrets: [SecretFile] = [],
        hiding mask: SecretMask = .none
    ) {
        self.folder = folder
        self.arguments = arguments
        self.environment = environment
        self.secrets = secrets
        self.mask = mask
    }

    package static func secretPath(folder: String, name: String) -> String { "\(folder)/secrets/\(name)" }
    package static func resultPath(folder: String) -> String { "\(folder)/result" }
    /// Relative to the run's folder: a socket's whole path may be longer than the kernel takes.
    package static func agentPath(_ index: Int) -> String { "secrets/agent.\(index)" }
}

extension RunRequest {
    func starting(_ nonce: Nonce) throws(RemoteFailure) -> WrapperRequest {
        guard folder.hasPrefix("/") else { throw .invalidRequest("the run's folder is not absolute") }
        guard let program = arguments.first, !program.hasPrefix("-"), !program.isEmpty else {
            throw .invalidRequest("there is no program to run")
        }
        if let secret = secrets.first(where: { !$0.hasPlainName }) {
            throw .invalidRequest("'\(secret.name)' is no plain file name")
        }
        if let name = environment.keys.first(where: { !isVariableName($0) }) {
            throw .invalidRequest("'\(name)' is no name of a variable")
        }
        var request = WrapperRequest("run", nonce: nonce, folder: folder, program: program, hiding: mask)
        request.line(heartbeat.shellSeconds)
        try request.value(folder)
        request.line(grace.shellSeconds)
        try request.value(program)
        try request.values(arguments.dropFirst())
        try request.values(environment.map { "\($0.key)=\($0.value)" })
        let files = secrets + (agents.isEmpty ? [] : [AgentRelay.program])
        request.line(files.count)
        for file in files { request.file(file) }
        request.line(agents.count)
        request.line("end")
        return request
    }

    func attaching(_ nonce: Nonce, offset: Int) throws(RemoteFailure) -> WrapperRequest {
        var request = WrapperRequest("attach", nonce: nonce, folder: folder)
        request.line(heartbeat.shellSeconds)
        try request.value(folder)
        request.line(offset)
        return request
    }
}

private func isVariableName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !Identifier.isDigit(first) else { return false }
    return name.utf8.allSatisfy { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
}

extension Duration {
    /// For sleep(1), which takes fractions both in coreutils and in busybox.
    fileprivate var shellSeconds: String {
        let (seconds, attoseconds) = components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        guard milliseconds > 0 else { return String(seconds) }
        return "\(seconds).\(String(1000 + milliseconds).dropFirst())"
    }
}
