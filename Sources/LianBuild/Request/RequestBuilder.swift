import LianBuildKit
import LianConfiguration
import LianModel
import LianSystem

/// Merges flags, environment and directives into one checked request. Directives beat flags for the fields that are
/// written in the file; a flag that loses is told.
struct RequestBuilder {
    let options: BuildOptions
    let environment: [String: String]
    let workingFolder: WorkingFolder
    let dockerfileOnInput: [UInt8]?
    var warnings: [BuildWarning] = []
    /// What is told and is no warning.
    var notes: [String] = []

    init(
        options: BuildOptions, environment: [String: String], workingFolder: WorkingFolder,
        dockerfileOnInput: [UInt8]? = nil
    ) {
        self.options = options
        self.environment = environment
        self.workingFolder = workingFolder
        self.dockerfileOnInput = dockerfileOnInput
    }

    /// The parts of a request that flags alone and directives decide each in their own way.
    struct Parts {
        var workspace: String
        var owner: CacheOwner
        var artifacts: [ArtifactRequest]
        var registry: RegistryRequest
        var compute: ComputeRequest
        var orchestratorURL: HTTPURL
        var events: EventRequest?
        var specFolder: String?
        var volume: VolumeWish

        /// For a question about a Dockerfile, which leaves nothing anywhere and for which nothing is to be fetched.
        mutating func makeNothing() {
            for index in artifacts.indices {
                artifacts[index].outputs = ArtifactOutputs(pushes: false)
                // One may lead to the Dockerfile itself.
                let isFetched = artifacts[index].isOverSSH
                artifacts[index].agents.removeAll { !isFetched || !$0.isDefault }
                artifacts[index].cacheFrom = []
                artifacts[index].cacheTo = []
            }
            volume = .off
        }
    }

    mutating func build(directives: LoadedDirectives?) throws -> BuildRequest {
        let sshKey = try required(options.sshKey)
        if let seed = options.events.seed, seed.name.hasPrefix("--"), !seed.value.hasPrefix("@") {
            warn(.seedOnCommandLine, BuildOptions.seedOnCommandLine(seed.name))
        }
        var parts: Parts
        if let directives { parts = try merge(directives) } else { parts = try flat() }
        if options.call != nil { parts.makeNothing() }
        try checkRegistries(of: parts)
        return BuildRequest(
            workspace: parts.workspace, owner: parts.owner, artifacts: parts.artifacts, registry: parts.registry,
            compute: parts.compute, orchestrator: try orchestrator(parts.orchestratorURL), events: parts.events,
            sshKey: sshKey == BuildRequest.ephemeralKey ? sshKey : try path(sshKey),
            knownHosts: try options.knownHosts.map(path),
            volume: parts.volume, cacheExport: options.cacheExport,
            specFolder: parts.specFolder, call: options.call,
            metadataFile: try fileToWrite(options.metadataFile, "--metadata-file"),
            imageIDFile: try fileToWrite(options.imageIDFile, "--iidfile"), warnings: warnings, notes: notes)
    }

    /// An engine pushes one image to all its names in one way: where one of them may be plain HTTP, the logins of all
    /// could go in clear.
    private func checkRegistries(of parts: Parts) throws(LianError) {
        for artifact in parts.artifacts where artifact.outputs.pushes {
            let insecure = artifact.names.filter { parts.registry.insecureHosts.contains($0.host) }
            guard let one = insecure.first, let other = artifact.names.first(where: { !insecure.contains($0) }) else {
                continue
            }
            throw refusal(
                "\(artifact.name) has names on \(one.host), which may speak plain HTTP, and on \(other.host), which may "
                    + "not: an engine pushes both in the same way",
                hint: "Build once for each of the two, or give \(one.host) a certificate.")
        }
    }

    func path(_ path: String) throws(LianError) -> String { try workingFolder.path(path) }

    /// The place of a file that is written when the build is over.
    private func fileToWrite(_ given: String?, _ flag: String) throws(LianError) -> String? {
        guard let file = try given.map(path) else { return nil }
        if let problem = reasonNotToWrite(file) { throw .unwritable(flag, problem) }
        return file
    }

    mutating func warn(_ code: WarningCode, _ message: String) {
        warnings.append(BuildWarning(code, message))
    }

    /// Warns of a flag that lost against directives; `field` names it where it goes by another name there.
    mutating func warnOverridden(_ flag: String, _ field: String = "it") {
        warn(.flagOverridden, "\(flag) is not used: the directives write \(field)")
    }

    /// A value without which there is no build. All that are missing are told at once.
    func required(_ given: BuildOptions.Given?) throws -> String {
        if let given, !given.value.isEmpty { return given.value }
        var needed = [("--ssh-key", "a private key file, or 'ephemeral'", options.sshKey)]
        if options.directives == nil {
            needed =
                [
                    ("--workspace", "the workspace's name", options.workspace),
                    ("--context", "the folder to build", options.context),
                ] + needed
            if try flagOutputs()?.needsImage ?? true {
                needed.insert(("--image", "registry host, repository and tag", options.image), at: 2)
            }
        }
        let missing = needed.filter { $0.2?.value.isEmpty ?? true }
        let list = missing.map { "\($0.0) (\($0.1))" }.joined(separator: ", ")
        let instead = options.directives == nil ? ", or describe the build in a file: --directives FILE" : ""
        throw refusal(
            missing.count == 1 ? "this is missing: \(list)" : "these are missing: \(list)",
            hint: "Give \(missing.count == 1 ? "it" : "them")\(instead). lian-build build --help shows whole examples.")
    }

    func checked(_ given: BuildOptions.Given, _ rule: TextRule) throws -> String {
        try checked(given.value, rule, given.name)
    }

    func checked(_ value: String, _ rule: TextRule, _ name: String) throws -> String {
        guard rule.holds(value) else {
            throw refusal(
                "\(name) \(rule.sentence), not '\(shown(value))'", hint: "lian-build build --help has examples.")
        }
        return value
    }

    func reference(_ value: String, _ name: String, _ rule: TextRule = .taggedReference) throws -> ImageReference {
        guard let reference = ImageReference(try checked(value, rule, name)) else {
            throw refusal("\(name) \(rule.sentence)", hint: "An example is registry.example/team/app:1.")
        }
        return reference
    }

    func refusal(_ message: String, hint: String) -> LianError {
        LianError(.invalidArgument, .arguments, message, hint: hint)
    }

    /// What was typed, short and on one line.
    private func shown(_ value: String) -> String {
        onOneLine(value, limit: 80)
    }
}

// What the two ways of asking, by flags alone and by directives, share.
extension RequestBuilder {
    mutating func buildArguments(_ written: [String: String] = [:]) throws -> [String: String] {
        var merged = written
        for pair in options.buildArguments {
            let name = try checked(pair.key, .variableName, "--build-arg")
            let value = pair.value ?? environment[name]
            if let written = written[name] {
                if let value, value != written { warnOverridden("--build-arg \(name)") }
            } else if let value {
                merged[name] = value
            } else {
                warn(.buildArgUnset, "--build-arg \(name) is left out: the environment has no variable \(name)")
            }
        }
        return merged
    }

    mutating func labels(_ written: [String: String] = [:]) throws -> [String: String] {
        try merged(options.labels, names: .labelName, "--label", over: written)
    }

    /// What a flag names, and over it what is written.
    mutating func merged(
        _ pairs: [KeyValue], names: TextRule, _ flag: String, over written: [String: String]
    ) throws -> [String: String] {
        var merged = written
        for pair in pairs {
            let name = try checked(pair.key, names, flag)
            let value = try checked(pair.value ?? "", .value, "\(flag) \(name)")
            if let written = written[name], written != value { warnOverridden("\(flag) \(name)") }
            merged[name] = written[name] ?? value
        }
        return merged
    }

    func tags() throws -> [ImageReference] {
        var tags: [ImageReference] = []
        for tag in options.tags { tags.append(try reference(tag, "--tag")) }
        return tags
    }

    func platforms() throws -> [String] {
        guard let given = options.platforms else { return [] }
        var platforms: [String] = []
        for platform in given.value.split(separator: ",", omittingEmptySubsequences: false) {
            platforms.append(try checked(String(platform), .platform, given.name))
        }
        return platforms
    }

    func extraContexts() throws -> [String: ExtraContext] {
        var contexts: [String: ExtraContext] = [:]
        for pair in options.buildContexts {
            let name = try checked(pair.key, .contextName, "--build-context")
            let value = try checked(pair.value ?? "", .extraContext, "--build-context")
            guard let context = ExtraContext(value) else { continue }
            switch context {
            case .place(.folder(let folder)):
                contexts[name] = .place(.folder(try existingFolder(try path(folder), "--build-context \(name)")))
            case .image, .place(.url): contexts[name] = context
            }
        }
        return contexts
    }

    func secrets() throws -> [SecretRequest] {
        var secrets: [SecretRequest] = []
        for text in options.secrets {
            let secret = try SecretFlag.parse(text, environment: environment, workingFolder: workingFolder)
            guard !secrets.contains(where: { $0.id == secret.id }) else {
                throw refusal("--secret gives the id '\(secret.id)' twice", hint: "Give each secret an id of its own.")
            }
            secrets.append(secret)
        }
        return secrets
    }

    func agents() throws -> [SSHForward] {
        var agents: [SSHForward] = []
        for text in options.agents {
            let agent = try SSHFlag.parse(text, workingFolder: workingFolder)
            guard !agents.contains(where: { $0.id == agent.id }) else {
                throw refusal("--ssh gives the id '\(agent.id)' twice", hint: "Give each agent an id of its own.")
            }
            agents.append(agent)
        }
        return agents
    }

    /// `sbom`, `provenance`, `provenance=MODE`; buildx's longer `provenance=mode=MODE` and `type=…,mode=…` too.
    func attestations() throws -> (sbom: Bool, provenance: String?) {
        var sbom = false
        var provenance: String?
        for text in options.attestations {
            // buildx's long form says the same with two more words.
            switch text.hasPrefix("type=") ? text.dropFirst("type=".count) : text[...] {
            case "sbom": sbom = true
            case "provenance": provenance = ""
            case "provenance=min", "provenance=mode=min", "provenance,mode=min": provenance = "min"
            case "provenance=max", "provenance=mode=max", "provenance,mode=max": provenance = "max"
            default:
                throw refusal(
                    "--attest must be sbom, provenance, provenance=min or provenance=max, not '\(onOneLine(text, limit: 80))'",
                    hint: "Give --attest once for each attestation.")
            }
        }
        return (sbom, provenance)
    }

    func insecureRegistries() throws -> [String] {
        try options.insecureRegistries.map { try checked($0, .registryHost, "--insecure-registry") }
    }

    /// A folder that is there, or a URL. No message repeats a URL that is refused: it may hold a password.
    func contextPlace(_ given: BuildOptions.Given, _ name: String) throws -> ContextPlace {
        guard let place = ContextPlace(given.value) else {
            throw refusal(
                "\(name) \(TextRule.contextPlace.sentence)",
                hint: "What a private repository needs is a secret: --secret id=GIT_AUTH_TOKEN,env=NAME.")
        }
        guard let folder = place.folder else { return place }
        return .folder(try existingFolder(try path(folder), name))
    }

    /// A runner has no key for a Git server: the engine asks the caller's agent of the name that it looks for.
    func checkAgent(of artifact: ArtifactRequest, _ name: String) throws {
        guard artifact.isOverSSH, !artifact.agents.contains(where: \.isDefault) else { return }
        throw LianError(
            .credentialMissing, .arguments,
            "\(name): a Git repository over SSH needs an SSH agent or a key named 'default'",
            hint: "Give --ssh default, or --ssh default=KEY (ssh in directives). Or give its https:// URL, and "
                + "--secret id=GIT_AUTH_TOKEN,env=NAME where it is private.")
    }

    func existingFolder(_ path: String, _ name: String) throws -> String {
        let found = realPath(path)
        // Stands for bytes that are no text, in what the system says of paths and in arguments.
        guard !(found ?? path).unicodeScalars.contains("\u{FFFD}") || found.flatMap(fileKind) != nil else {
            throw LianError(
                .contextUnreadable, .resolve, "\(name): the path of the folder \(found ?? path) is not UTF-8",
                hint: "Rename the folder, or that above it which is not.")
        }
        guard let real = found else {
            throw LianError(
                .contextUnreadable, .resolve, "\(name): there is no folder \(path)",
                hint: "Paths on the command line start from the working folder, those in directives from their file.")
        }
        guard fileKind(real) == .folder else {
            throw LianError(
                .contextUnreadable, .resolve, "\(name): \(path) is not a folder", hint: "A context is a folder.")
        }
        return real
    }

    /// The caches that were asked for by hand, or the layers of the owner; each checked against the owner's rules.
    mutating func caches(
        _ layers: CacheLayers, artifact: String, from: [CacheStore]?, to: [CacheStore]?
    ) throws -> (from: [CacheStore], to: [CacheStore]) {
        let imports =
            from?.flatMap { layers.imports($0, artifact: artifact) }
            ?? layers.imports(artifact: artifact).map(CacheStore.init(registry:))
        let exports =
            to?.map { layers.export($0, artifact: artifact) }
            ?? layers.exports(artifact: artifact).map(CacheStore.init(registry:))
        do {
            for reference in imports.compactMap(\.reference) { try layers.checkImport(reference) }
            for reference in exports.compactMap(\.reference) { try layers.checkExport(reference) }
        } catch {
            throw LianError(
                .cacheForbidden, .resolve, "the cache \(error.reference) may not be used: \(error.reason)",
                hint: "Leave the reference out to use the layers of this workspace, or name one that is allowed.")
        }
        for store in exports {
            if let folder = store.folder { try Self.check(folder, isFolder: true, "the cache \(store)") }
        }
        return (imports.filter { isThere($0) }, exports)
    }

    /// A folder in which no cache lies yet is no error: the first build of all finds none.
    private mutating func isThere(_ store: CacheStore) -> Bool {
        guard let folder = store.folder, fileKind("\(folder)/index.json") != .regular else { return true }
        notes.append("the cache \(store) is left out: there is none in \(folder)")
        return false
    }

    /// The stores with their folders, which begin at `folder` where their paths are relative.
    func located(_ stores: [CacheStore]?, from folder: WorkingFolder) throws -> [CacheStore]? {
        try stores?.map { store in
            var store = store
            store.folder = try store.writtenFolder.map(folder.path)
            return store
        }
    }

    func volumeFlag() throws -> VolumeChoice? {
        guard let given = options.volume else { return nil }
        guard let choice = VolumeChoice(flag: given.value) else {
            throw refusal(
                "\(given.name) is a name or 'off'; a name \(Identifier.slugRule), not '\(onOneLine(given.value, limit: 80))'",
                hint: "An example is --volume app-nightly. Its layer and its workspace are put before it.")
        }
        return choice
    }

    /// The names of the volume in the owner's layers. What is only read is not kept.
    func volume(
        _ choice: VolumeChoice?, _ layers: CacheLayers, artifact: String, isKept: Bool = true
    ) -> VolumeWish {
        let name: String
        switch choice {
        case .off?: return .off
        case .named(let given)?: name = given
        case .on?, nil: name = artifact
        }
        guard let names = layers.volumes(named: name) else { return .unnameable(name) }
        return .wanted(VolumeRequest(from: names.from, to: isKept ? names.to : nil))
    }

    var cacheFromFlag: [CacheStore]? {
        get throws { try cacheFlag(options.cacheFrom, "--cache-from", .from) }
    }

    var cacheToFlag: [CacheStore]? {
        get throws { try cacheFlag(options.cacheTo, "--cache-to", .to) }
    }

    /// What is wrong with a value is told without the value: keys of a store may stand in it.
    private func cacheFlag(_ texts: [String], _ name: String, _ side: CacheStore.Side) throws -> [CacheStore]? {
        let stores = try texts.map { text in
            do throws(CacheStore.Problem) {
                return try CacheStore(text, side)
            } catch {
                let example = side == .from ? "type=gha" : "type=registry,ref=reg.example/team/app:cache,mode=max"
                throw LianError(
                    error.isUnsupported ? .engineUnsupported : .invalidArgument, .arguments, "\(name) \(error.reason)",
                    hint: "Examples are \(name) reg.example/team/app:cache and \(name) \(example).")
            }
        }
        return stores.isEmpty ? nil : try located(stores, from: workingFolder)
    }

    func orchestratorURL() throws -> HTTPURL {
        let given = options.orchestratorURL ?? .init(OrchestratorRequest.defaultURL, as: "--orchestrator-url")
        do {
            return try HTTPURL(given.value)
        } catch {
            throw refusal("\(given.name) \(error.rule)", hint: "An example is \(OrchestratorRequest.defaultURL).")
        }
    }

    /// With the token that belongs to it.
    private mutating func orchestrator(_ url: HTTPURL) throws -> OrchestratorRequest {
        let token = environment["ORCHESTRATOR_TOKEN"].flatMap { $0.isEmpty ? nil : $0 } ?? localToken(for: url)
        if token != nil, url.scheme == .http, !url.isLoopback {
            warn(.tokenInClear, "the orchestrator's token goes to \(url.origin) unencrypted; use https")
        }
        return OrchestratorRequest(
            url: url, token: token, authorities: try options.orchestratorCA?.authorities(from: workingFolder),
            spawnTimeoutSeconds: options.spawnTimeoutSeconds)
    }

    /// The token that the reference orchestrator on this machine made for itself.
    private func localToken(for url: HTTPURL) -> String? {
        guard url.isLoopback, let folder = OrchestratorState.defaultFolder(environment: environment),
            let bytes = try? readFile(OrchestratorState.tokenFile(in: folder), limit: 4096)
        else { return nil }
        let token = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first
        return token.map(String.init)
    }

    func eventSeed() throws -> EventRequest.Seed? {
        try options.events.seed.map { given in
            try given.file(from: workingFolder).map { .at(.file($0)) } ?? .value(given.value)
        }
    }
}
