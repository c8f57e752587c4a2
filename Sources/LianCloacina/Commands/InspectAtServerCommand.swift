import LianModel

/// `package inspect ID`, of what a server has.
package struct InspectAtServerCommand: CloacinaCommand {
    private let id: String
    private let server: ServerOptions
    private let surroundings: Surroundings

    package init(_ id: String, _ server: ServerOptions, _ surroundings: Surroundings) {
        self.id = id
        self.server = server
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let choice = try ServerChoice(server, surroundings, &report)
        report.inspection = ["server": try await WorkflowServer(choice).package(id)]
    }
}
