import LianModel
import LianRemote

/// The argument list of one artifact's `buildctl build` on the runner.
package struct BuildctlCommand: Sendable {
    /// Folders on the runner.
    package struct Folders: Sendable, Equatable {
        package var context: String
        package var extraContexts: [String: String]
        /// The run's own: its working folder, with its secrets and its result.
        package var run: String

        package init(context: String, extraContexts: [String: String], run: String) {
            self.context = context
            self.extraContexts = extraContexts
            self.run = run
        }
    }

    package enum ProgressFormat: String, Sendable {
        case rawjson, plain
    }

    package var artifact: ArtifactRequest
    package var registry: RegistryRequest
    package var compression: Compression?
    package var folders: Folders
    /// For `--addr`; buildctl's own default where nil.
    package var address: String?
    package var progress: ProgressFormat
    /// Whether the cache keeps the steps of every stage; an engine with inline caches alone cannot do that.
    package var exportsAllStages: Bool

    package init(
        artifact: ArtifactRequest, registry: RegistryRequest, compression: Compression?, folders: Folders,
        address: String?, progress: ProgressFormat, exportsAllStages: Bool
    ) {
        self.artifact = artifact
        self.registry = registry
        self.compression = compression
        self.folders = folders
        self.address = address
        self.progress = progress
        self.exportsAllStages = exportsAllStages
    }

    package var arguments: [String] { list(showingValues: true) }

    /// The same list as it may be shown: values of build arguments are `***`.
    package var redactedArguments: [String] { list(showingValues: false) }

    /// The arguments with which every build of a Dockerfile begins; `folder` is the one that holds it.
    static func beginning(
        address: String?, progress: ProgressFormat, folder: String, dockerfile: String, target: String?,
        platforms: [String]
    ) -> [String] {
        var list = address.map { ["--addr", $0] } ?? []
        list += ["build", "--progress", progress.rawValue, "--frontend", "dockerfile.v0"]
        list += ["--local", "context=\(folder)", "--local", "dockerfile=\(folder)"]
        list += ["--opt", "filename=\(dockerfile)"]
        if let target { list += ["--opt", "target=\(target)"] }
        if !platforms.isEmpty { list += ["--opt", "platform=\(platforms.joined(separator: ","))"] }
        return list
    }

    private func list(showingValues: Bool) -> [String] {
        var list = Self.beginning(
            address: address, progress: progress, folder: folders.context, dockerfile: artifact.dockerfile,
            target: artifact.target, platforms: artifact.platforms)
        for (key, value) in artifact.buildArguments.sorted(by: { $0.key < $1.key }) {
            list += ["--opt", "build-arg:\(key)=\(showingValues ? value : "***")"]
        }
        for (key, value) in artifact.labels.sorted(by: { $0.key < $1.key }) {
            list += ["--opt", "label:\(key)=\(value)"]
        }
        list += extraContextArguments
        if artifact.noCache { list += ["--no-cache"] }
        if artifact.sbom { list += ["--opt", "attest:sbom="] }
        if let mode = artifact.provenance {
            list += ["--opt", "attest:provenance=\(mode.isEmpty ? "" : "mode=\(mode)")"]
        }
        for secret in artifact.secrets {
            let path = RunRequest.secretPath(folder: folders.run, name: Self.secretFile(secret.id))
            list += ["--secret", "id=\(secret.id),\(Self.field("src=\(path)"))"]
        }
        list += ["--output", output]
        list += Self.cacheImports(artifact.cacheFrom, registry)
        for reference in artifact.cacheTo { list += ["--export-cache", exportedCache(reference)] }
        return list + ["--metadata-file", RunRequest.resultPath(folder: folders.run)]
    }

    /// The prefix keeps a secret's file apart from our own files in the folder.
    package static func secretFile(_ id: String) -> String { "secret.\(id)" }

    private var extraContextArguments: [String] {
        var list: [String] = []
        for (name, source) in artifact.extraContexts.sorted(by: { $0.key < $1.key }) {
            switch source {
            case .image(let reference): list += ["--opt", "context:\(name)=docker-image://\(reference)"]
            case .folder:
                list += [
                    "--local", "\(name)=\(folders.extraContexts[name] ?? "")", "--opt", "context:\(name)=local:\(name)",
                ]
            }
        }
        return list
    }

    private var output: String {
        let names = ([artifact.image] + artifact.tags).map(\.description)
        var fields = ["type=image", Self.field("name=\(names.joined(separator: ","))"), "push=true"]
        if let compression {
            fields += ["compression=\(compression.rawValue)", "force-compression=true"]
            if compression != .gzip { fields.append("oci-mediatypes=true") }
        }
        if registry.insecureHosts.contains(artifact.image.host) { fields.append("registry.insecure=true") }
        return fields.joined(separator: ",")
    }

    /// One field of a list that buildctl reads as a line of CSV. The text itself holds no quote: paths and names have
    /// none.
    private static func field(_ text: String) -> String { text.contains(",") ? "\"\(text)\"" : text }

    static func cacheImports(_ references: [String], _ registry: RegistryRequest) -> [String] {
        references.flatMap { ["--import-cache", cache($0, registry)] }
    }

    private static func cache(_ reference: String, _ registry: RegistryRequest) -> String {
        let isInsecure = registry.insecureHosts.contains(cacheHost(reference))
        return "type=registry,ref=\(reference)" + (isInsecure ? ",registry.insecure=true" : "")
    }

    /// The registry of a cache, whose references always name it.
    static func cacheHost(_ reference: String) -> String { String(reference.prefix { $0 != "/" }) }

    /// A cache that cannot be written is a warning: the image is what was asked for.
    private func exportedCache(_ reference: String) -> String {
        var fields = [Self.cache(reference, registry)]
        if exportsAllStages { fields.append("mode=max") }
        if registry.isHarbor { fields += ["image-manifest=true", "oci-mediatypes=true"] }
        if let compression { fields.append("compression=\(compression.rawValue)") }
        fields.append("ignore-error=true")
        return fields.joined(separator: ",")
    }
}
