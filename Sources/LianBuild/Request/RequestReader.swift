import LianConfiguration
import LianModel

/// Reads what was asked: flags, environment and directives, as one checked request.
package struct RequestReader: Sendable {
    private let options: BuildOptions
    private let surroundings: Surroundings

    package init(options: BuildOptions, surroundings: Surroundings) {
        self.options = options
        self.surroundings = surroundings
    }

    /// Nothing of the context is read yet: the request already names the workspace of the envelope.
    package func request() async throws -> BuildRequest {
        let files = try DescriptionFiles(options: options, surroundings: surroundings)
        var loaded: LoadedDirectives?
        if let file = options.directives {
            loaded = try await files.directives(try surroundings.workingFolder.path(file))
        }
        var builder = RequestBuilder(
            options: options, environment: surroundings.environment, workingFolder: surroundings.workingFolder,
            dockerfileOnInput: options.readsDockerfile ? try await surroundings.standardInput.read() : nil)
        return try builder.build(directives: loaded)
    }
}
