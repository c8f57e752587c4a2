import LianModel

/// A build that is asked for by flags alone: one artifact, its registry read from its image.
extension RequestBuilder {
    mutating func flat() throws -> Parts {
        let workspace = try checked(
            try required(options.workspace), .slug, options.workspace?.name ?? "--workspace")
        let context = try contextPlace(.init(try required(options.context), as: "--context"), "--context")
        let outputs = try outputs()
        let image = try flatImage(outputs)
        let owner = try flatOwner()
        let segments = image.map { $0.repository.split(separator: "/") } ?? []
        // What makes no image is named after its workspace.
        let name = segments.last.map(String.init) ?? workspace
        let namespace = segments.count > 1 ? segments.dropLast().joined(separator: "/") : nil
        let layers = CacheLayers(registry: image?.host, namespace: namespace, workspace: workspace, owner: owner)
        let caches = try caches(
            layers, artifact: name, from: try cacheFromFlag, to: try cacheToFlag)
        let attestations = try attestations()
        let artifact = ArtifactRequest(
            name: name, context: context, image: image, dockerfile: try dockerfile(),
            givenDockerfile: dockerfileOnInput, target: try target(),
            tags: try tags(), platforms: try platforms(), emulation: options.emulation ?? .auto,
            buildArguments: try buildArguments(), labels: try labels(), secrets: try secrets(), agents: try agents(),
            extraContexts: try extraContexts(), noCache: options.noCache, steps: try steps(), outputs: outputs,
            annotations: try annotations(),
            compression: try compression(), sbom: attestations.sbom, provenance: attestations.provenance, dependsOn: [],
            cacheFrom: caches.from,
            cacheTo: caches.to)
        try checkAgent(of: artifact, context.isOverSSH ? "--context" : "--build-context")
        try checkPlaces(of: [artifact])
        return Parts(
            workspace: workspace, owner: owner, artifacts: [artifact],
            registry: RegistryRequest(
                endpoint: image?.host, namespace: namespace, isHarbor: false,
                insecureHosts: try insecureRegistries(), credential: nil),
            compute: ComputeRequest(
                ladder: .standard, size: flagSize, language: try line(options.language),
                runnerImage: try line(options.runnerImage), provider: nil, region: nil),
            orchestratorURL: try orchestratorURL(), events: try flatEvents(), specFolder: context.folder,
            volume: volume(try volumeFlag(), layers, artifact: name))
    }

    private func flatImage(_ outputs: ArtifactOutputs) throws -> ImageReference? {
        if options.image == nil, !outputs.needsImage { return nil }
        return try reference(try required(options.image), "--image")
    }

    var flagSize: SizeWish {
        SizeWish(cpu: options.cpu, memoryGB: options.memoryGB, timeBudgetMinutes: options.timeBudgetMinutes)
    }

    func flatOwner() throws -> CacheOwner {
        guard let actor = options.actor else { return .ci }
        return .session(actor: try checked(actor, .slug))
    }

    func dockerfile() throws -> String {
        guard let given = options.dockerfile, !options.readsDockerfile else { return BuildArtifact.defaultDockerfile }
        return try checked(given, .innerPath)
    }

    func target() throws -> String? {
        guard let target = options.target else { return nil }
        return try checked(target, .stage, "--target")
    }

    func line(_ given: BuildOptions.Given?) throws -> String? {
        guard let given else { return nil }
        return try checked(given, .line)
    }

    func subjectPrefix() throws -> String {
        guard let given = options.events.subjectPrefix else { return NatsEventConfig.defaultSubjectPrefix }
        return try checked(given, .subjectPrefix)
    }

    func flatEvents() throws -> EventRequest? {
        guard let url = options.events.url else { return nil }
        // What is wrong with the URL may be a password in it, so the message does not repeat it.
        guard TextRule.natsURL.holds(url.value) else {
            throw refusal(
                "\(url.name) \(TextRule.natsURL.sentence)", hint: "An example is nats://events.example:4222.")
        }
        return EventRequest(
            url: url.value, subjectPrefix: try subjectPrefix(), seed: try eventSeed(),
            caFile: try options.events.caFile.map(path))
    }
}
