import LianModel
import LianRemote
import LianSystem

/// The argument list of one artifact's `buildctl build` on the runner.
package struct BuildctlCommand: Sendable {
    /// Folders on the runner.
    package struct Folders: Sendable, Equatable {
        package var context: String
        package var extraContexts: [String: String]
        /// Where caches lie that were brought there, by their folders at the caller.
        package var caches: [String: String]
        /// The run's own: its working folder, with its secrets and its result.
        package var run: String

        package init(
            context: String, extraContexts: [String: String], caches: [String: String] = [:], run: String
        ) {
            self.context = context
            self.extraContexts = extraContexts
            self.caches = caches
            self.run = run
        }
    }

    package enum ProgressFormat: String, Sendable {
        case rawjson, plain
    }

    package var artifact: ArtifactRequest
    package var registry: RegistryRequest
    package var folders: Folders
    /// For `--addr`; buildctl's own default where nil.
    package var address: String?
    package var progress: ProgressFormat
    /// Whether the cache keeps the steps of every stage; an engine with inline caches alone cannot do that.
    package var exportsAllStages: Bool
    /// What the frontend is asked for in the place of an image.
    package var request: String?

    package init(
        artifact: ArtifactRequest, registry: RegistryRequest, folders: Folders, address: String?,
        progress: ProgressFormat, exportsAllStages: Bool, request: String? = nil
    ) {
        self.artifact = artifact
        self.registry = registry
        self.folders = folders
        self.address = address
        self.progress = progress
        self.exportsAllStages = exportsAllStages
        self.request = request
    }

    package var arguments: [String] { list(showingValues: true) }

    /// In bytes: Linux takes 128 KiB for one argument, with the zero behind it.
    static let longestArgument = 131_071

    /// The first argument that is longer, by the name that it may be shown by.
    var tooLongArgument: (name: String, bytes: Int)? {
        let list = arguments
        guard let index = list.firstIndex(where: { $0.utf8.count > Self.longestArgument }) else { return nil }
        let (flag, value) = (list[list.index(before: index)], list[index])
        // Of an option that has a name of its own, as build-arg:NAME=VALUE has.
        let name = flag == "--opt" ? "\(flag) \(value.prefix { $0 != "=" })" : flag
        return (onOneLine(name, limit: 200), value.utf8.count)
    }

    /// The same list as it may be shown: values of build arguments are `***`.
    package var redactedArguments: [String] { list(showingValues: false) }

    /// The arguments with which every build of a Dockerfile begins; `source` says where it and its context are.
    static func beginning(
        address: String?, progress: ProgressFormat, source: [String], dockerfile: String, target: String?,
        platforms: [String]
    ) -> [String] {
        var list = address.map { ["--addr", $0] } ?? []
        list += ["build", "--progress", progress.rawValue, "--frontend", "dockerfile.v0"]
        list += source
        list += ["--opt", "filename=\(dockerfile)"]
        if let target { list += ["--opt", "target=\(target)"] }
        if !platforms.isEmpty { list += ["--opt", "platform=\(platforms.joined(separator: ","))"] }
        return list
    }

    private func list(showingValues: Bool) -> [String] {
        var list = Self.beginning(
            address: address, progress: progress, source: source, dockerfile: artifact.dockerfile,
            target: artifact.target, platforms: artifact.platforms)
        for (key, value) in artifact.buildArguments.sorted(by: { $0.key < $1.key }) {
            list += ["--opt", "build-arg:\(key)=\(showingValues ? value : "***")"]
        }
        for (key, value) in artifact.labels.sorted(by: { $0.key < $1.key }) {
            list += ["--opt", "label:\(key)=\(value)"]
        }
        list += extraContextArguments
        if artifact.noCache { list += ["--no-cache"] }
        list += Self.stepArguments(artifact.steps, runsAnew: artifact.noCache)
        if artifact.sbom { list += ["--opt", "attest:sbom="] }
        if let mode = artifact.provenance {
            list += ["--opt", "attest:provenance=\(mode.isEmpty ? "" : "mode=\(mode)")"]
        }
        for secret in artifact.secrets {
            let path = RunRequest.secretPath(folder: folders.run, name: Self.secretFile(secret.id))
            list += ["--secret", "id=\(secret.id),\(Self.field("src=\(path)"))"]
        }
        for (index, agent) in artifact.agents.enumerated() {
            list += ["--ssh", "\(agent.id)=\(RunRequest.agentPath(index))"]
        }
        if let request { return list + ["--opt", "requestid=\(request)"] }
        for output in outputs { list += ["--output", output] }
        list += Self.cacheImports(artifact.cacheFrom, registry, folders.caches)
        for (index, store) in artifact.cacheTo.enumerated() { list += ["--export-cache", exportedCache(store, index)] }
        return list + ["--metadata-file", RunRequest.resultPath(folder: folders.run)]
    }

    /// The prefix keeps a secret's file apart from our own files in the folder.
    package static func secretFile(_ id: String) -> String { "secret.\(id)" }

    /// The name of a Dockerfile that travels with the request, among the run's secrets.
    static let givenDockerfile = "Dockerfile"

    /// Where a Dockerfile is that travels with the request of the run with this folder.
    static func folderOfGivenDockerfile(run folder: String) -> String {
        parentFolder(RunRequest.secretPath(folder: folder, name: givenDockerfile))
    }

    private var source: [String] {
        let isGiven = artifact.givenDockerfile != nil
        let folder = isGiven ? Self.folderOfGivenDockerfile(run: folders.run) : folders.context
        let own = ["--local", "dockerfile=\(folder)"]
        switch artifact.context {
        case .folder: return ["--local", "context=\(folders.context)"] + own
        // Without being told, the engine takes the Dockerfile from where the context comes from.
        case .url(let url):
            return ["--opt", "context=\(url)"] + (isGiven ? own + ["--opt", "dockerfilekey=dockerfile"] : [])
        }
    }

    private var extraContextArguments: [String] {
        var list: [String] = []
        for (name, source) in artifact.extraContexts.sorted(by: { $0.key < $1.key }) {
            switch source {
            case .image(let reference): list += ["--opt", "context:\(name)=docker-image://\(reference)"]
            case .place(.url(let url)): list += ["--opt", "context:\(name)=\(url)"]
            case .place(.folder):
                list += [
                    "--local", "\(name)=\(folders.extraContexts[name] ?? "")", "--opt", "context:\(name)=local:\(name)",
                ]
            }
        }
        return list
    }

    /// The name, in the run's folder, of what is to be brought to the caller.
    static func outputName(_ index: Int) -> String { "output-\(index)" }

    private var outputs: [String] {
        let brought = artifact.outputs.brought.enumerated().map { index, output in
            var fields = ["type=\(output.kind.rawValue)", Self.field("dest=\(folders.run)/\(Self.outputName(index))")]
            if [.oci, .docker].contains(output.kind), !artifact.names.isEmpty { fields.append(names) }
            if output.kind == .oci { fields += imageFields }
            return fields.joined(separator: ",")
        }
        return (artifact.outputs.makesImage ? [image] : []) + brought
    }

    private var names: String {
        let names = artifact.isPart ? artifact.repositories : artifact.names.map(\.description)
        return Self.field("name=\(names.joined(separator: ","))")
    }

    private var image: String {
        var fields = ["type=image", names, "push=\(artifact.outputs.pushes)"] + imageFields
        if artifact.isPart { fields += ["push-by-digest=true", "name-canonical=true"] }
        if let host = artifact.image?.host, registry.insecureHosts.contains(host) {
            fields.append("registry.insecure=true")
        }
        return fields.joined(separator: ",")
    }

    /// What is said of an image that is written as the specification of the OCI says.
    private var imageFields: [String] {
        var fields: [String] = []
        if let compression = artifact.compression {
            fields.append("compression=\(compression.kind.rawValue)")
            if let level = compression.level { fields.append("compression-level=\(level)") }
            fields.append("force-compression=true")
            if compression.kind != .gzip { fields.append("oci-mediatypes=true") }
        }
        return fields + artifact.annotations.sorted { $0.key < $1.key }.flatMap(Self.annotationFields)
    }

    private static func annotationFields(_ name: String, _ value: String) -> [String] {
        guard let name = AnnotationName(name) else { return [] }
        let keys = name.bearers.isEmpty ? ["annotation"] : name.bearers.map { "annotation-\($0)" }
        return keys.map { field("\($0).\(name.key)=\(value)") }
    }

    /// One field of a list that buildctl reads as a line of CSV.
    private static func field(_ text: String) -> String {
        guard text.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return text }
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }

    private static func stepArguments(_ steps: StepSettings, runsAnew: Bool) -> [String] {
        var list: [String] = []
        if !steps.uncachedStages.isEmpty, !runsAnew {
            list += ["--opt", "no-cache=\(steps.uncachedStages.joined(separator: ","))"]
        }
        if steps.pulls { list += ["--opt", "image-resolve-mode=pull"] }
        if !steps.hosts.isEmpty {
            let hosts = steps.hosts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            list += ["--opt", "add-hosts=\(hosts.joined(separator: ","))"]
        }
        if !steps.ulimits.isEmpty { list += ["--opt", "ulimit=\(steps.ulimits.joined(separator: ","))"] }
        if let size = steps.sharedMemory { list += ["--opt", "shm-size=\(size.bytes)"] }
        var entitlements = steps.entitlements
        if let network = steps.network, network != .default {
            list += ["--opt", "force-network-mode=\(network.rawValue)"]
            // As in buildx, who asks for the host's network allows it.
            let allowed = "network.host"
            if network == .host, !entitlements.contains(allowed) { entitlements.append(allowed) }
        }
        return list + entitlements.flatMap { ["--allow", $0] }
    }

    static func cacheImports(
        _ stores: [CacheStore], _ registry: RegistryRequest, _ folders: [String: String] = [:]
    ) -> [String] {
        stores.flatMap { store in
            let folder = store.folder.flatMap { folders[$0] }
            return ["--import-cache", place(of: store, registry, in: folder).joined(separator: ",")]
        }
    }

    /// The name, in the run's folder, of a cache that is to be brought to the caller.
    static func cacheName(_ index: Int) -> String { "cache-\(index)" }

    /// Where a cache is, and all else that was said of it.
    private static func place(
        of store: CacheStore, _ registry: RegistryRequest, in folder: String?
    ) -> [String] {
        var fields = ["type=\(store.kind.rawValue)"]
        if let reference = store.reference {
            fields.append("ref=\(reference)")
            if registry.insecureHosts.contains(cacheHost(reference)) { fields.append("registry.insecure=true") }
        }
        return fields
            + store.attributes.map { attribute in
                guard store.kind == .local, ["src", "dest"].contains(attribute.key) else {
                    return attribute.description
                }
                return field("\(attribute.key)=\(folder ?? attribute.value)")
            }
    }

    /// The registry of a cache, whose references always name it.
    static func cacheHost(_ reference: String) -> String { String(reference.prefix { $0 != "/" }) }

    /// A cache that cannot be written is a warning: the image is what was asked for.
    private func exportedCache(_ store: CacheStore, _ index: Int) -> String {
        var fields = Self.place(of: store, registry, in: "\(folders.run)/\(Self.cacheName(index))")
        guard store.kind != .inline else { return fields.joined(separator: ",") }
        func add(_ key: String, _ value: String) {
            if !store.has(key) { fields.append("\(key)=\(value)") }
        }
        if exportsAllStages, !store.isWhole { add("mode", "max") }
        if store.kind == .registry {
            if registry.isHarbor {
                add("image-manifest", "true")
                add("oci-mediatypes", "true")
            }
            if let compression = artifact.compression { add("compression", compression.kind.rawValue) }
        }
        add("ignore-error", "true")
        return fields.joined(separator: ",")
    }
}
