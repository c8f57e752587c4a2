import LianChannel
import LianModel

/// An agent of one key, in this process: the key itself goes nowhere.
package struct KeyAgent: ForwardedAgent {
    private let key: SigningKey

    /// Of a private key's file that needs no passphrase.
    package init(path: String) throws(LianError) {
        key = try SigningKey(try SSHKeyFile(path: path, use: .forwarding))
    }

    package func answer(_ request: [UInt8]) async -> [UInt8] {
        guard AgentMessage.mayPass(request) else { return AgentMessage.refusal }
        return request[0] == AgentMessage.requestIdentities ? identities() : signature(request) ?? AgentMessage.refusal
    }

    private func identities() -> [UInt8] {
        var answer = WireWriter()
        answer.raw([AgentMessage.identities])
        answer.number(1)
        answer.string(key.publicKey.blob)
        // A comment is its owner's: the runner need not know where the key lies.
        answer.string([])
        return answer.bytes
    }

    private func signature(_ request: [UInt8]) -> [UInt8]? {
        var reader = SSHWireReader(Array(request.dropFirst()))
        guard let blob = try? reader.string(), let data = try? reader.string(), let flags = try? reader.number(),
            reader.isAtEnd, blob == key.publicKey.blob, let signature = key.sign(data, flags: flags)
        else { return nil }
        var answer = WireWriter()
        answer.raw([AgentMessage.signature])
        answer.string(signature)
        return answer.bytes
    }
}
