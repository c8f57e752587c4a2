/// `package publish DIR`.
package struct PublishCommand: CloacinaCommand {
    private let folder: String
    private let server: ServerOptions
    private let surroundings: Surroundings
    package var isRelease = false
    package var skipsBuild = false
    package var signingKey: String?

    package init(_ folder: String, _ server: ServerOptions, _ surroundings: Surroundings) {
        self.folder = folder
        self.server = server
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        // What is wrong with the request shows before anything is compiled.
        let choice = try ServerChoice(server, surroundings, &report)
        if !skipsBuild { try await BuildCommand(folder, isRelease: isRelease, surroundings).run(&report) }
        var pack = PackCommand(folder, surroundings)
        pack.signingKey = signingKey
        // A signed archive is left here: someone has to bring its signature to the server.
        let staging = signingKey == nil ? try StagingFolder(environment: surroundings.environment) : nil
        if let staging {
            let manifest = try PackageManifest(in: surroundings.path(folder))
            pack.out = "\(staging.path)/\(manifest.stem).\(manifest.extension)"
        }
        try await pack.run(&report)
        guard let archive = report.artifact?.path else { return }
        try await sendArchive(archive, to: choice, surroundings, &report)
        withExtendedLifetime(staging) {}
    }
}
