import LianModel
import LianSSH
import LianSystem

extension RunnerProvider {
    /// Over SSH, since that is all that machines of every kind have in common. The machine runs and its sshd listens, so
    /// that it takes a fraction of a second; one that is dead is not waited for.
    package func handOver(
        _ place: RunnerPlace, openedBy privateKey: String, to key: SSHPublicKey
    ) throws(ProviderError) {
        guard let own = SSHKey(privateText: privateKey) else { throw ProviderError("its key is damaged") }
        let hostKeys = place.hostKeys.compactMap(SSHPublicKey.init(line:))
        let keys: [UInt8]?
        do {
            keys = try waiting {
                let connection = try await SSHConnection.connect(
                    to: SSHEndpoint(host: place.host, port: place.port, user: place.user), key: own,
                    hostKeys: .pinned(hostKeys), deadline: .now + HandOver.connectLimit, retryWhileBooting: false)
                let keys = try? await withinLimit(HandOver.commandLimit) {
                    try await connection.output(of: HandOver.command(letting: key))
                }
                // Whoever gets the machine finds nobody else logged in.
                await connection.disconnect(within: .seconds(1))
                return keys ?? nil
            }
        } catch let error as LianError {
            throw ProviderError(error.message)
        } catch {
            throw ProviderError("\(error)")
        }
        guard keys == Array("\(key.line)\n".utf8) else {
            throw ProviderError("the key of its build could not be put there")
        }
    }
}

private enum HandOver {
    static let connectLimit: Duration = .seconds(5)
    static let commandLimit: Duration = .seconds(5)

    /// Replaces all keys in one step, and tells those there are then.
    static func command(letting key: SSHPublicKey) -> String {
        """
        umask 077; keys=\(shellQuoted(BootScript.keysFile))
        printf '%s\\n' \(shellQuoted(key.line)) >"$keys.new" && mv "$keys.new" "$keys" && cat "$keys"
        """
    }
}
