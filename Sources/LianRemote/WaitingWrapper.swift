import LianChannel
import LianSystem

/// A wrapper on the runner that has its script and waits for one request. It is started beside other work, so that the
/// request need not wait for a channel to open and a shell to start.
package struct WaitingWrapper: Sendable {
    let channel: any RemoteChannel

    package static func start(on host: any RemoteHost, limit: Duration = .seconds(20)) async throws -> WaitingWrapper {
        let started = try await withinLimit(limit) {
            try await orConnectionLost {
                let channel = try await host.execute(Wrapper.commandLine)
                do {
                    try await channel.write(Array(Wrapper.script.utf8))
                } catch {
                    _ = await channel.close()
                    throw error
                }
                return WaitingWrapper(channel: channel)
            }
        }
        guard let started else { throw RemoteFailure.connectionLost("no channel could be opened in time") }
        return started
    }
}
