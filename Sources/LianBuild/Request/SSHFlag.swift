import LianConfiguration
import LianModel
import LianSystem

/// `--ssh ID[=SOCKET|KEY]`. With the id alone, the agent that SSH_AUTH_SOCK names, as in buildx.
enum SSHFlag {
    static func parse(_ text: String, workingFolder: WorkingFolder) throws(LianError) -> SSHForward {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard TextRule.agentID.holds(parts[0]) else {
            throw refusal("--ssh \(TextRule.agentID.sentence), not '\(onOneLine(parts[0], limit: 80))'")
        }
        guard parts.count == 2 else { return SSHForward(id: parts[0], place: .environment) }
        guard TextRule.file.holds(parts[1]) else {
            throw refusal("--ssh \(parts[0])= names no agent's socket and no private key's file")
        }
        let path = try workingFolder.path(parts[1])
        switch fileKind(path) {
        case nil where parts[1].utf8.contains(UInt8(ascii: ",")):
            throw refusal("--ssh \(parts[0]) takes one socket or key; each further one needs an id of its own")
        case .other?: return SSHForward(id: parts[0], place: .socket(path))
        // A key's own errors name what is wrong with it.
        case .regular?, .folder?, nil: return SSHForward(id: parts[0], place: .key(path))
        }
    }

    private static func refusal(_ message: String) -> LianError {
        LianError(
            .invalidArgument, .arguments, message,
            hint: "Examples are --ssh default, for the agent at SSH_AUTH_SOCK, and --ssh github=id_ed25519.")
    }
}
