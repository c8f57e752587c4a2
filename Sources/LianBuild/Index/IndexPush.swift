import LianHTTP
import LianModel
import LianRegistry
import LianSystem

/// Makes one index of the images that several runners pushed by their digests, and pushes it to every name. No name
/// changes before the whole index is there in every repository.
struct IndexPush: Sendable {
    /// What one runner pushed.
    struct Part: Sendable {
        let platform: String
        let digest: String
    }

    struct Pushed: Sendable {
        let digest: String
        /// As BuildKit's metadata would say it.
        let metadata: JSONValue
    }

    let artifact: ArtifactRequest
    let image: ImageReference
    let parts: [Part]
    /// By host, of every registry that the artifact has a name in.
    let clients: [String: RegistryClient]
    let journal: BuildJournal
    let timing: Timing

    init(
        artifact: ArtifactRequest, image: ImageReference, parts: [Part], registry: RegistryRequest,
        logins: [String: RegistryLogin], http: HTTPClient, journal: BuildJournal, timing: Timing
    ) async {
        self.artifact = artifact
        self.image = image
        self.parts = parts
        self.journal = journal
        self.timing = timing
        var clients: [String: RegistryClient] = [:]
        for host in Set(artifact.names.map(\.host)) {
            clients[host] = await RegistryClient(
                host: host, isInsecure: registry.insecureHosts.contains(host), login: logins[host], http: http)
        }
        self.clients = clients
    }

    func run() async throws(LianError) -> Pushed {
        let platforms = artifact.platforms.joined(separator: ", ")
        journal.report(.started(.push, "making one index of \(platforms) for \(artifact.name)"))
        let index = try await makeIndex()
        for reference in inEachRepository(artifact.names) {
            try await push(index, to: reference, as: index.digest)
        }
        // From here on the names change: they do together, whoever ends the build meanwhile.
        let names = Task { () async -> LianError? in
            var moved: [String] = []
            for reference in artifact.names {
                do throws(LianError) {
                    try await push(index, to: reference, as: reference.tag ?? "latest")
                    moved.append(reference.description)
                } catch {
                    guard !moved.isEmpty else { return error }
                    return error.saying("\(error.message); it is at \(moved.joined(separator: ", ")) already")
                }
            }
            return nil
        }
        if let error = await names.value { throw error }
        journal.report(.finished(.push, "\(image) is one index of \(platforms)"))
        let metadata: JSONValue = [
            "containerimage.digest": .string(index.digest),
            "containerimage.descriptor": .object(index.descriptor),
            "image.name": .string(artifact.names.map(\.description).joined(separator: ",")),
        ]
        return Pushed(digest: index.digest, metadata: metadata)
    }

    private func inEachRepository(_ references: [ImageReference]) -> [ImageReference] {
        references.reduce(into: []) { kept, reference in
            if !kept.contains(where: { $0.name == reference.name }) { kept.append(reference) }
        }
    }

    private func makeIndex() async throws(LianError) -> ImageManifest {
        try await patiently(image) { client throws(RegistryFailure) in
            var members: [ImageIndex.Part] = []
            for part in parts {
                let manifest = try await client.manifest(image.repository, part.digest)
                members.append(
                    ImageIndex.Part(
                        manifest, platform: part.platform,
                        annotations: annotations(on: ["manifest-descriptor", "manifest-descriptor[\(part.platform)]"])))
            }
            return try ImageIndex.make(of: members, annotations: annotations(on: ["index"]))
        }
    }

    /// Those that were asked for on one of these.
    private func annotations(on bearers: [String]) -> [String: String] {
        var found: [String: String] = [:]
        for (text, value) in artifact.annotations {
            guard let name = AnnotationName(text), name.bearers.contains(where: bearers.contains) else { continue }
            found[name.key] = value
        }
        return found
    }

    private func push(
        _ index: ImageManifest, to reference: ImageReference, as name: String
    ) async throws(LianError) {
        try await patiently(reference) { client throws(RegistryFailure) in
            try await client.push(index, reference.repository, as: name)
        }
    }

    /// Again where the registry had a bad moment, as for what an engine pushes.
    private func patiently<Result>(
        _ reference: ImageReference, _ body: (RegistryClient) async throws(RegistryFailure) -> Result
    ) async throws(LianError) -> Result {
        var retries = 0
        while true {
            do throws(RegistryFailure) {
                guard let client = clients[reference.host] else {
                    throw RegistryFailure("\(reference.host) is no registry that can be asked")
                }
                return try await body(client)
            } catch {
                if error.isCancelled { throw .cancelled(in: .push) }
                let told = failed(error, reference)
                guard error.isTransient else { throw told }
                guard
                    let pause = RegistryPatience.pause(
                        beforeRetry: retries, asked: error.pause, random: timing.random())
                else { throw RegistryPatience.ended(told, after: retries) }
                retries += 1
                journal.report(
                    .note(
                        "\(told.message); trying again in \(Figures.decimal(pause.inSeconds)) s "
                            + "(\(retries) of \(RegistryPatience.retries))"))
                do {
                    try await timing.sleep(pause)
                } catch {
                    throw .cancelled(in: .push)
                }
            }
        }
    }

    private func failed(_ failure: RegistryFailure, _ reference: ImageReference) -> LianError {
        LianError(
            .pushFailed, .push,
            "\(artifact.name) was built for each platform, but its index was not pushed to \(reference): "
                + failure.reason,
            hint: "Is the registry up, and may these credentials push to \(reference)?")
    }
}
