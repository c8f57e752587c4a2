import LianHTTP
import LianModel

/// Everything that a build was asked for: flags, environment and directives merged and checked. The rest of the walk
/// reads this and nothing before it.
package struct BuildRequest: Sendable {
    package let workspace: String
    package let owner: CacheOwner
    /// In the order in which they can be built.
    package var artifacts: [ArtifactRequest]
    package let registry: RegistryRequest
    package let compute: ComputeRequest
    package let orchestrator: OrchestratorRequest
    package let events: EventRequest?
    package let sshKey: String
    package let knownHosts: String?
    package let volume: VolumeWish
    package let cacheExport: CacheExport
    /// Where the context's build spec is looked for: that of the first artifact in the file; nil where that is no folder.
    package let specFolder: String?
    /// What is asked about the Dockerfiles in the place of building them.
    package let call: BuildCall?
    package let metadataFile: String?
    package let imageIDFile: String?
    package let warnings: [BuildWarning]
    package let notes: [String]

    /// In the place of a key file: a key made for this build alone.
    package static let ephemeralKey = "ephemeral"

    package var mode: String {
        switch owner {
        case .ci: "ci"
        case .session: "session"
        }
    }

    /// Whether builds on this runner write the registry's cache.
    package func writesCache(from runner: ReadyRunner) -> Bool {
        cacheExport == .always || runner.volume?.state != .warm
    }

    package var actor: String? {
        guard case .session(let actor) = owner else { return nil }
        return actor
    }
}

/// The volume that a build wants its runner to start from.
package enum VolumeWish: Sendable, Equatable {
    case off
    case wanted(VolumeRequest)
    /// No volume can have this name, or not below this workspace and actor.
    case unnameable(String)

    package var request: VolumeRequest? {
        guard case .wanted(let request) = self else { return nil }
        return request
    }
}

package struct ArtifactRequest: Sendable, Equatable {
    package var name: String
    /// Absolute, links resolved.
    package var context: ContextPlace
    /// nil where none is made.
    package var image: ImageReference?
    /// Relative to the context.
    package var dockerfile: String
    /// The Dockerfile itself, where it is not in the context.
    package var givenDockerfile: [UInt8]?
    package var target: String?
    package var tags: [ImageReference]
    package var platforms: [String]
    package var emulation: Emulation
    /// Whether it is only a part of an image, which an index will name: it is pushed without a name of its own.
    package var isPart = false
    package var buildArguments: [String: String]
    package var labels: [String: String]
    package var secrets: [SecretRequest]
    package var agents: [SSHForward]
    /// Folders are absolute, links resolved.
    package var extraContexts: [String: ExtraContext]
    package var noCache: Bool
    package var steps: StepSettings
    package var outputs: ArtifactOutputs
    package var annotations: [String: String]
    /// nil for the engine's own.
    package var compression: LayerCompression?
    package var sbom: Bool
    /// nil for no provenance; empty where BuildKit chooses how much is told.
    package var provenance: String?
    package var dependsOn: [String]
    package var cacheFrom: [CacheStore]
    package var cacheTo: [CacheStore]

    /// All names of its image.
    var names: [ImageReference] { [image].compactMap { $0 } + tags }

    /// Whether some of its files come from a Git repository at an SSH server.
    var isOverSSH: Bool { context.isOverSSH || extraContexts.values.contains { $0.place?.isOverSSH == true } }

    /// The repositories of its names, each once.
    var repositories: [String] { names.map(\.name).eachOnce }
}

/// Where a build secret's value is read, when it is needed.
package struct SecretRequest: Sendable, Equatable {
    package var id: String
    package var source: SecretSource
}

package struct RegistryRequest: Sendable, Equatable {
    /// nil where there is none.
    package var endpoint: String?
    package var namespace: String?
    /// Harbor wants its caches as image manifests.
    package var isHarbor: Bool
    /// Registries that speak plain HTTP.
    package var insecureHosts: [String]
    package var credential: RegistryCredential?
}

package struct RegistryCredential: Sendable, Equatable {
    package var source: SecretSource
    package var username: String?
}

package struct ComputeRequest: Sendable, Equatable {
    package var ladder: TierLadder
    /// From flags and directives; a build spec adds to it.
    package var size: SizeWish
    package var language: String?
    package var runnerImage: String?
    package var provider: String?
    package var region: String?
}

package struct OrchestratorRequest: Sendable, Equatable {
    package var url: HTTPURL
    package var token: String?
    /// Trusted beside the system's, for https.
    package var authorities: TrustedAuthorities?
    package var spawnTimeoutSeconds: Int

    package static let defaultURL = "http://localhost:9011"
}

package struct EventRequest: Sendable, Equatable {
    package enum Seed: Sendable, Equatable {
        case value(String)
        case at(SecretSource)
    }

    package var url: String
    package var subjectPrefix: String
    package var seed: Seed?
    package var caFile: String?
}
