import LianConfiguration
import LianModel
import LianSystem

/// A directives file that was read and checked.
package struct LoadedDirectives: Sendable {
    package let directives: BuildDirectives
    /// Absolute; the paths in it start from its folder.
    package let file: String

    package init(directives: BuildDirectives, file: String) {
        self.directives = directives
        self.file = file
    }
}

/// A build that is asked for by directives, with what the flags add to them.
extension RequestBuilder {
    mutating func merge(_ loaded: LoadedDirectives) throws -> Parts {
        let directives = loaded.directives
        let paths = DirectivesPaths(loaded)
        if directives.artifacts.count > 1 { try refuseFlagsOfOneArtifact(directives) }
        lost(options.workspace, to: "workspace", written: directives.workspace)
        let registry = try registry(directives.registry, paths)
        let owner = try owner(directives.cache)
        let layers = CacheLayers(
            registry: registry.endpoint, namespace: registry.namespace, workspace: directives.workspace, owner: owner)
        var artifacts: [ArtifactRequest] = []
        for artifact in directives.artifactsInBuildOrder {
            for store in (artifact.cacheFrom ?? []) + (artifact.cacheTo ?? []) {
                guard let written = store.writtenFolder else { continue }
                try Self.checkStays(written, within: paths.folder, "artifact \(artifact.name): the cache \(store)")
            }
            let (from, to) = (
                try imports(artifact, directives.cache, paths), try exports(artifact, directives.cache, paths)
            )
            let caches = try caches(layers, artifact: artifact.name, from: from, to: to)
            let request = try self.artifact(artifact, paths, caches)
            let field = request.context.isOverSSH ? "context" : "extra_contexts"
            try checkAgent(of: request, "artifact \(artifact.name): \(field)")
            artifacts.append(request)
        }
        warnOfSharedNames(artifacts)
        try checkPlaces(of: artifacts)
        let volume = volume(
            try chosenVolume(directives.cache?.volume), layers, artifact: directives.artifacts[0].name,
            isKept: directives.cache?.disposition != .discard)
        warnOnce()
        return Parts(
            workspace: directives.workspace, owner: owner, artifacts: artifacts, registry: registry,
            compute: try compute(directives), orchestratorURL: try trustedOrchestrator(directives.compute),
            events: try events(directives.nats, paths),
            specFolder: try paths.place(directives.artifacts[0].context, at: "artifacts[0].context").folder,
            volume: volume)
    }

    private mutating func artifact(
        _ artifact: BuildArtifact, _ paths: DirectivesPaths, _ caches: (from: [CacheStore], to: [CacheStore])
    ) throws -> ArtifactRequest {
        let place = "artifact \(artifact.name)"
        let context = try paths.place(artifact.context, at: "\(place): context")
        if let given = options.context, !isSame(given.value, context) { warnOverridden(given.name, "context") }
        lost(options.image, to: "image", written: artifact.image?.description)
        lost(options.dockerfile, to: "dockerfile", written: artifact.dockerfile)
        lost(options.platforms, to: "platforms", written: artifact.platforms?.joined(separator: ","))
        lost(
            options.emulation.map { .init($0.rawValue, as: "--emulate") }, to: "emulate",
            written: artifact.emulate?.rawValue)
        lost(options.target.map { .init($0, as: "--target") }, to: "target", written: artifact.target)
        var contexts = try extraContexts()
        for (name, context) in artifact.extraContexts.sorted(by: { $0.key < $1.key }) {
            let written = try paths.extraContext(context, at: "\(place): extra_contexts.\(name)")
            if let flag = contexts[name], flag != written { warnOverridden("--build-context \(name)") }
            contexts[name] = written
        }
        let flagSecrets = try secrets()
        let written = artifact.secrets.map { SecretRequest(id: $0.id, source: paths.source($0.ref.source)) }
        for secret in flagSecrets where written.contains(where: { $0.id == secret.id && $0 != secret }) {
            warnOverridden("--secret \(secret.id)")
        }
        let flagAgents = try agents()
        let writtenAgents = artifact.agents.map(paths.forward)
        for agent in flagAgents where writtenAgents.contains(where: { $0.id == agent.id && $0 != agent }) {
            warnOverridden("--ssh \(agent.id)")
        }
        let attestations = try attestations()
        if artifact.attest?.sbom == false, attestations.sbom { warnOverridden("--attest sbom", "attest.sbom") }
        if let written = artifact.attest?.provenance?.rawValue, let flag = attestations.provenance, flag != written {
            warnOverridden("--attest provenance", "attest.provenance")
        }
        if artifact.push == true, options.noPush { warnOverridden("--no-push", "push") }
        let outputs = try outputs(artifact.outputs, push: artifact.push, from: paths.folder, at: place)
        guard artifact.image != nil || !outputs.needsImage else {
            throw refusal(
                "\(place) has no image to make or to load",
                hint: "Write its name: image = \"registry.example/team/app:1\".")
        }
        return ArtifactRequest(
            name: artifact.name, context: context, image: artifact.image,
            dockerfile: try artifact.dockerfile ?? dockerfile(),
            givenDockerfile: artifact.dockerfile == nil ? dockerfileOnInput : nil,
            target: try artifact.target ?? target(),
            tags: artifact.tags + (try tags()).filter { !artifact.tags.contains($0) },
            platforms: try artifact.platforms ?? platforms(),
            emulation: artifact.emulate ?? options.emulation ?? .auto,
            buildArguments: try buildArguments(artifact.buildArguments),
            labels: try labels(artifact.labels),
            secrets: written + flagSecrets.filter { flag in !written.contains { $0.id == flag.id } },
            agents: writtenAgents + flagAgents.filter { flag in !writtenAgents.contains { $0.id == flag.id } },
            extraContexts: contexts, noCache: artifact.noCache || options.noCache,
            steps: try steps(artifact.steps), outputs: outputs,
            annotations: try annotations(artifact.annotations), compression: try compression(artifact.compression),
            sbom: artifact.attest?.sbom ?? attestations.sbom,
            provenance: artifact.attest?.provenance?.rawValue ?? attestations.provenance,
            dependsOn: artifact.dependsOn, cacheFrom: caches.from, cacheTo: caches.to)
    }

    private func refuseFlagsOfOneArtifact(_ directives: BuildDirectives) throws {
        let given: [(name: String, isGiven: Bool)] = [
            ("--tag", !options.tags.isEmpty), ("--target", options.target != nil),
            ("--build-arg", !options.buildArguments.isEmpty), ("--label", !options.labels.isEmpty),
            ("--secret", !options.secrets.isEmpty), ("--ssh", !options.agents.isEmpty),
            ("--build-context", !options.buildContexts.isEmpty),
            ("--attest", !options.attestations.isEmpty), ("--no-cache", options.noCache),
            ("--no-cache-filter", !options.noCacheFilters.isEmpty), ("--annotation", !options.annotations.isEmpty),
            ("--output", !options.outputs.isEmpty), ("--iidfile", options.imageIDFile != nil),
            ("--dockerfile -", options.readsDockerfile),
        ]
        if let flag = given.first(where: \.isGiven) {
            throw refusal(
                "\(flag.name) is for one artifact, and the directives have several",
                hint: "Write it into the directives, at the artifact that it is meant for.")
        }
        // Of other stores each artifact has a part of its own.
        let isShared = try cacheToFlag?.contains { $0.reference != nil } == true
        if isShared, directives.cache?.disposition != .discard {
            throw refusal(
                "--cache-to is for one artifact, and the directives have \(named(directives.artifacts.map(\.name))): "
                    + "each would overwrite the cache of the one before it",
                hint: "Leave it out to give each artifact a layer of its own, or build each from a file of its own.")
        }
    }

    private func named(_ names: [String]) -> String {
        names.map { "'\($0)'" }.joined(separator: " and ")
    }

    /// Warns of artifacts that share a name: each is pushed, and the one pushed last stands under the name.
    private mutating func warnOfSharedNames(_ artifacts: [ArtifactRequest]) {
        var owners: [(name: String, artifacts: [String])] = []
        for artifact in artifacts where artifact.outputs.pushes {
            for name in Set(artifact.names.map(\.description)).sorted() {
                if let index = owners.firstIndex(where: { $0.name == name }) {
                    owners[index].artifacts.append(artifact.name)
                } else {
                    owners.append((name, [artifact.name]))
                }
            }
        }
        for owner in owners where owner.artifacts.count > 1 {
            warn(
                .imageOverwritten,
                "\(named(owner.artifacts)) are all pushed as \(owner.name): only the last of them stays there")
        }
    }

    /// Warns of a flag that directives beat; a flag that says the same loses nothing.
    mutating func lost(_ given: BuildOptions.Given?, to field: String, written: String?) {
        if let given, let written, given.value != written { warnOverridden(given.name, field) }
    }

    /// Keeps one of equal warnings: with several artifacts the same flag loses several times.
    private mutating func warnOnce() {
        var seen: [BuildWarning] = []
        for warning in warnings where !seen.contains(warning) { seen.append(warning) }
        warnings = seen
    }

    private func isSame(_ given: String, _ context: ContextPlace) -> Bool {
        switch context {
        case .folder(let folder): (try? path(given)).flatMap(realPath) == folder
        case .url(let url): given == url
        }
    }

    private mutating func imports(
        _ artifact: BuildArtifact, _ policy: CachePolicy?, _ paths: DirectivesPaths
    ) throws -> [CacheStore]? {
        chosen(
            try cacheFromFlag, "--cache-from",
            (try located(artifact.cacheFrom, from: WorkingFolder(paths.folder)), "cache_from"),
            (policy?.importFrom?.map { CacheStore(registry: $0.description) }, "cache.import"))
    }

    /// What an artifact writes comes before what the whole file does, and that before a flag.
    private mutating func chosen(
        _ given: [CacheStore]?, _ name: String, _ written: (stores: [CacheStore]?, field: String)...
    ) -> [CacheStore]? {
        guard let first = written.first(where: { $0.stores != nil }) else { return given }
        if let given, given != first.stores { warnOverridden(name, first.field) }
        return first.stores
    }

    private mutating func chosenVolume(_ written: VolumeChoice?) throws -> VolumeChoice? {
        let given = try volumeFlag()
        guard let written else { return given }
        if let given, given != written { warnOverridden("--volume", "cache.volume") }
        return written
    }

    /// A policy that discards the cache writes none, whatever a flag would add.
    private mutating func exports(
        _ artifact: BuildArtifact, _ policy: CachePolicy?, _ paths: DirectivesPaths
    ) throws -> [CacheStore]? {
        guard policy?.disposition == .discard else {
            return chosen(
                try cacheToFlag, "--cache-to",
                (try located(artifact.cacheTo, from: WorkingFolder(paths.folder)), "cache_to"),
                (policy?.exportTo?.map { CacheStore(registry: $0.description) }, "cache.export"))
        }
        if try cacheToFlag != nil { warnOverridden("--cache-to", "cache.disposition") }
        return []
    }

    private mutating func owner(_ policy: CachePolicy?) throws -> CacheOwner {
        guard let policy else { return try flatOwner() }
        switch policy.mode {
        case .ci:
            if let actor = options.actor { warnOverridden(actor.name, "cache.mode") }
            return .ci
        case .session(let actor):
            lost(options.actor, to: "cache.mode", written: actor.id)
            return .session(actor: actor.id)
        }
    }

    private func registry(_ registry: RegistryProviderRef, _ paths: DirectivesPaths) throws -> RegistryRequest {
        RegistryRequest(
            endpoint: registry.endpoint, namespace: registry.namespace, isHarbor: registry.provider == .harbor,
            insecureHosts: (registry.insecure ? [registry.endpoint] : []) + (try insecureRegistries()),
            credential: registry.credential.map {
                RegistryCredential(source: paths.source($0.source), username: $0.username)
            })
    }

    private mutating func compute(_ directives: BuildDirectives) throws -> ComputeRequest {
        let runner = directives.runner
        let ladder = directives.compute.tiers.map(TierLadder.init) ?? .standard
        lost(options.language, to: "language", written: directives.language)
        lost(options.runnerImage, to: "runner.image", written: runner?.image)
        var wish = SizeWish(
            cpu: runner?.cpu, memoryGB: runner?.memoryGB, timeBudgetMinutes: runner?.timeBudgetMinutes)
        if let name = runner?.tier {
            guard let tier = ladder.tier(named: name) else {
                let names = ladder.tiers.map(\.name)
                let nearest = nearestName(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
                throw LianError(
                    .directivesInvalid, .resolve, "runner.tier: '\(name)' is not a tier of the ladder\(nearest)",
                    hint: "The tiers are \(names.joined(separator: ", ")); compute.tiers replaces them.")
            }
            wish = wish.or(SizeWish(cpu: tier.cpu, memoryGB: tier.memoryGB))
        }
        return ComputeRequest(
            ladder: ladder, size: flagSize.or(wish), language: try directives.language ?? line(options.language),
            runnerImage: try runner?.image ?? line(options.runnerImage),
            provider: directives.compute.provider, region: directives.compute.region)
    }

    /// A token goes only to an origin that the caller named. A file that names another one is refused outright.
    private mutating func trustedOrchestrator(_ compute: ComputeProviderRef) throws -> HTTPURL {
        let trusted = try orchestratorURL()
        guard let written = compute.orchestratorURL else { return trusted }
        let url: HTTPURL
        do {
            url = try HTTPURL(written)
        } catch {
            throw LianError(
                .directivesInvalid, .resolve, "compute.orchestrator_url \(error.rule)",
                hint: "An example is \(OrchestratorRequest.defaultURL).")
        }
        guard url.origin == trusted.origin else {
            throw LianError(
                .orchestratorNotTrusted, .resolve,
                "the directives name the orchestrator \(url.origin), and the caller \(trusted.origin)",
                hint: "If you trust it, say so: --orchestrator-url \(url) or ORCHESTRATOR_URL.")
        }
        if let given = options.orchestratorURL, url != trusted {
            warnOverridden(given.name, "compute.orchestrator_url")
        }
        return url
    }

    private mutating func events(
        _ nats: NatsEventConfig?, _ paths: DirectivesPaths
    ) throws -> EventRequest? {
        guard let nats else { return try flatEvents() }
        lost(options.events.url, to: "nats.url", written: nats.url)
        lost(options.events.subjectPrefix, to: "nats.subject_prefix", written: nats.subjectPrefix)
        let written = nats.nkey.map { paths.source($0.source) }
        if let written, let given = options.events.seed, try eventSeed() != .at(written),
            written != .environment(given.name)
        {
            warnOverridden(given.name, "nats.nkey")
        }
        return EventRequest(
            url: nats.url, subjectPrefix: try nats.subjectPrefix ?? subjectPrefix(),
            seed: try written.map { .at($0) } ?? callersSeed(for: nats.url),
            caFile: try options.events.caFile.map(path))
    }

    /// The caller's seed signs whatever the server asks, so it serves only a server that the caller, not a file, named.
    private mutating func callersSeed(for url: String) throws -> EventRequest.Seed? {
        guard let given = options.events.seed else { return nil }
        let named = try? NATSURL(url)
        let trusted = options.events.url.flatMap { try? NATSURL($0.value) }
        if let named, named.origin == trusted?.origin { return try eventSeed() }
        let origin = named?.origin ?? "the server"
        warn(
            .natsKeyWithheld,
            "the key of \(given.name) is not used with \(origin), which the directives name: if you trust it, say so by "
                + "--nats-url \(origin) or NATS_URL")
        return nil
    }
}

/// The paths that stand in a directives file: relative ones start from its folder, and may not leave it.
struct DirectivesPaths {
    private let file: String
    let folder: String

    init(_ loaded: LoadedDirectives) {
        file = loaded.file
        folder = realPath(parentFolder(loaded.file)) ?? parentFolder(loaded.file)
    }

    func context(_ path: String, at place: String) throws -> String {
        let absolute = absolutePath(path, from: folder)
        guard let real = realPath(absolute), fileKind(real) == .folder else {
            throw LianError(
                .contextUnreadable, .resolve, "\(file): \(place): there is no folder \(absolute)",
                hint: "Paths in directives start from the file's own folder.")
        }
        guard path.hasPrefix("/") || isPath(real, within: folder) else {
            throw LianError(
                .directivesInvalid, .resolve, "\(file): \(place): '\(path)' leads out of the file's folder, to \(real)",
                hint: "Write it as an absolute path if that is meant.")
        }
        return real
    }

    func place(_ context: ContextPlace, at place: String) throws -> ContextPlace {
        guard let folder = context.folder else { return context }
        return .folder(try self.context(folder, at: place))
    }

    func extraContext(_ context: ExtraContext, at place: String) throws -> ExtraContext {
        guard let written = context.place else { return context }
        return .place(try self.place(written, at: place))
    }

    func forward(_ forward: SSHForward) -> SSHForward {
        switch forward.place {
        case .environment: forward
        case .socket(let path): SSHForward(id: forward.id, place: .socket(absolutePath(path, from: folder)))
        case .key(let path): SSHForward(id: forward.id, place: .key(absolutePath(path, from: folder)))
        }
    }

    func source(_ source: SecretSource) -> SecretSource {
        guard case .file(let path) = source else { return source }
        return .file(absolutePath(path, from: folder))
    }
}
