import LianTestSupport

/// What stands in for a cloud: it answers by the description that the API's owner publishes, and its machines boot.
protocol StandIn: Sendable {
    init(on cluster: Cluster) throws
    /// Ends what goes on, and the machines that are left.
    func stop() async
    /// What it was asked against that description.
    var breaches: [String] { get }
}

extension StandIn {
    /// One for the length of the body.
    static func with(_ cluster: Cluster, _ body: (Self) async throws -> Void) async throws {
        let standIn = try Self(on: cluster)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(standIn))
        } catch {
            result = .failure(error)
        }
        await standIn.stop()
        try result.get()
        guard standIn.breaches.isEmpty else {
            throw FixtureError("\(Self.self): not as the API's owner describes it: \(standIn.breaches)")
        }
    }
}
