import LianBuildKit
import LianModel
import LianSystem

extension ArtifactRequest {
    /// As errors name it.
    var dockerfilePath: String {
        guard let folder = context.folder, givenDockerfile == nil else { return dockerfile }
        return "\(folder)/\(dockerfile)"
    }

    /// The images that its Dockerfile names; nil where the file cannot be read, which is the build's to tell.
    var dockerfileImages: DockerfileImages? {
        dockerfileText.map { DockerfileImages($0, arguments: buildArguments, contexts: extraContexts) }
    }

    /// Nil where the file cannot be read here.
    var dockerfileText: String? {
        if let givenDockerfile { return String(decoding: givenDockerfile, as: UTF8.self) }
        return context.folder == nil ? nil : try? readText(dockerfilePath)
    }

    /// The folders that travel, each with the Dockerfile that is read in it: none in an extra context or a cache, nor where
    /// the Dockerfile comes by itself.
    var travelling: [TravellingFolder] {
        let own = context.folder.map {
            TravellingFolder(folder: $0, dockerfile: givenDockerfile == nil ? dockerfile : nil)
        }
        let extra = extraContexts.sorted { $0.key < $1.key }.compactMap { $0.value.place?.folder }
        let others = (extra + cacheFrom.compactMap(\.folder)).map { TravellingFolder(folder: $0, dockerfile: nil) }
        return [own].compactMap { $0 } + others
    }
}

/// A folder that travels, told apart by the bytes of its paths.
struct TravellingFolder: Equatable {
    let folder: String
    let dockerfile: String?

    static func == (one: TravellingFolder, other: TravellingFolder) -> Bool {
        TextBytes(one.folder) == TextBytes(other.folder)
            && one.dockerfile.map(TextBytes.init) == other.dockerfile.map(TextBytes.init)
    }
}
