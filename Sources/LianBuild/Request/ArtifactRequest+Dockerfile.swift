import LianBuildKit
import LianSystem

extension ArtifactRequest {
    var dockerfilePath: String { "\(context)/\(dockerfile)" }

    /// The images that its Dockerfile names; nil where the file cannot be read, which is the build's to tell.
    var dockerfileImages: DockerfileImages? {
        dockerfileText.map { DockerfileImages($0, arguments: buildArguments, contexts: extraContexts) }
    }

    /// Nil where the file cannot be read.
    var dockerfileText: String? { try? readText(dockerfilePath) }
}
