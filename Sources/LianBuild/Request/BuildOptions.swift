import LianConfiguration
import LianHTTP
import LianModel
import LianSystem

/// What the command line and the environment asked for, before directives are read: words taken apart, numbers within
/// their bounds, nothing merged yet.
package struct BuildOptions: Sendable {
    /// One value, and the name under which the user gave it: the flag's, or the variable's.
    package struct Given: Equatable, Sendable {
        package let value: String
        package let name: String

        package init(_ value: String, as name: String) {
            self.value = value
            self.name = name
        }

        /// For a value `@FILE` the file's path, relative to the working folder; nil where the value itself was given.
        package func file(from workingFolder: WorkingFolder) throws(LianError) -> String? {
            value.hasPrefix("@") ? try workingFolder.path(String(value.dropFirst())) : nil
        }
    }

    package var workspace: Given?
    package var context: Given?
    package var image: Given?
    package var directives: String?
    package var importPaths: [String] = []
    package var dockerfile: Given?
    /// Whether the Dockerfile comes by stdin.
    package var readsDockerfile: Bool { dockerfile?.value == "-" }
    package var call: BuildCall?
    package var target: String?
    package var buildArguments: [KeyValue] = []
    package var labels: [KeyValue] = []
    package var tags: [String] = []
    package var platforms: Given?
    package var emulation: Emulation?
    package var buildContexts: [KeyValue] = []
    package var secrets: [String] = []
    package var agents: [String] = []
    package var attestations: [String] = []
    package var compression: LayerCompression.Kind?
    package var compressionLevel: Int?
    package var annotations: [KeyValue] = []
    package var noPush = false
    package var outputs: [String] = []
    package var loads = false
    package var noCache = false
    package var noCacheFilters: [String] = []
    package var pull = false
    package var addedHosts: [String] = []
    package var ulimits: [String] = []
    package var sharedMemory: Given?
    package var network: StepSettings.Network?
    package var entitlements: [String] = []

    package var cacheFrom: [String] = []
    package var cacheTo: [String] = []
    package var actor: Given?
    package var volume: Given?
    package var cacheExport = CacheExport.always

    package var cpu: Int?
    package var memoryGB: Double?
    package var timeBudgetMinutes: Int?
    package var language: Given?
    package var runnerImage: Given?

    package var orchestratorURL: Given?
    package var orchestratorCA: Given?
    package var spawnTimeoutSeconds = 300
    package var sshKey: Given?
    package var knownHosts: String?
    package var insecureRegistries: [String] = []

    package var events = EventOptions()

    package var metadataFile: String?
    package var imageIDFile: String?
    package var report: String?
    package var dryRun = false

    package init() {}

    /// What a seed that everybody can see in the process list deserves.
    package static func seedOnCommandLine(_ name: String) -> String {
        "\(name) shows the seed in the process list; give @FILE or set NATS_NKEY_SEED"
    }
}

/// `K=V`, or `K` alone.
package struct KeyValue: Equatable, Sendable {
    package let key: String
    package let value: String?

    package init(key: String, value: String?) {
        self.key = key
        self.value = value
    }
}

/// When the registry's cache is written.
package enum CacheExport: String, CaseIterable, Sendable {
    case always
    /// Only where the runner did not start from a volume.
    case cold
}

extension BuildOptions.Given {
    /// For the name of a file: the authorities in it.
    package func authorities(from workingFolder: WorkingFolder) throws(LianError) -> TrustedAuthorities {
        let file = try workingFolder.path(value)
        do throws(UnusableAuthorities) {
            return try TrustedAuthorities(file: file)
        } catch {
            throw LianError(
                .invalidArgument, .arguments, "\(name): '\(onOneLine(value, limit: 200))' \(error.reason)",
                hint: "Name a file with the certificates, in PEM, of the authorities to trust beside the system's.")
        }
    }
}

/// Where events go, as the flags say it.
package struct EventOptions: Sendable {
    package var url: BuildOptions.Given?
    package var seed: BuildOptions.Given?
    package var subjectPrefix: BuildOptions.Given?
    package var caFile: String?

    package init() {}
}
