import LianModel

/// An index as the OCI image specification describes it, read from a registry: every manifest that it names is there, as
/// large as it says, of the type that it says, and made for the platform that it says.
package struct RegistryIndex: Sendable {
    package let mediaType: String
    package let annotations: JSONValue
    /// Of its images, in order.
    package private(set) var platforms: [String] = []
    /// What it says of each image, in order.
    package private(set) var images: [JSONValue] = []
    /// How many of its images have an attestation that refers to them.
    package private(set) var attested = 0

    /// Throws what is wrong with it.
    package init(of registry: Registry, _ repository: String, _ reference: String) async throws {
        let answer = try await Self.manifest(registry, repository, reference)
        mediaType = answer.type
        annotations = answer.json["annotations"] ?? .null
        guard answer.json["mediaType"]?.stringValue == mediaType, answer.json["schemaVersion"] == 2 else {
            throw FixtureError("it is no index: \(answer.json.encoded())")
        }
        let members = answer.json["manifests"]?.arrayValue ?? []
        var referred: Set<String> = []
        for member in members {
            let digest = member["digest"]?.stringValue ?? ""
            let found = try await Self.manifest(registry, repository, digest)
            guard found.digest == digest, member["size"]?.intValue == found.size,
                member["mediaType"]?.stringValue == found.type
            else { throw FixtureError("\(digest) is not as the index says: \(member.encoded())") }
            if member["annotations"]?["vnd.docker.reference.type"] == "attestation-manifest" {
                referred.insert(member["annotations"]?["vnd.docker.reference.digest"]?.stringValue ?? "")
                continue
            }
            let configuration = try await registry.get(
                "/v2/\(repository)/blobs/\(found.json["config"]?["digest"]?.stringValue ?? "")"
            ).json
            for key in ["os", "architecture"] where member["platform"]?[key] != configuration[key] {
                throw FixtureError("\(digest) is for another \(key): \(configuration.encoded())")
            }
            images.append(member)
            platforms.append("\(configuration["os", or: "?"])/\(configuration["architecture", or: "?"])")
        }
        let digests = Set(images.compactMap { $0["digest"]?.stringValue })
        guard referred.isSubset(of: digests) else {
            throw FixtureError("attestations of what is not there: \(referred)")
        }
        attested = referred.count
    }

    private static func manifest(
        _ registry: Registry, _ repository: String, _ reference: String
    ) async throws -> (type: String, digest: String, size: Int, json: JSONValue) {
        let answer = try await registry.manifestAnswer(repository, reference)
        guard answer.status == 200 else {
            throw FixtureError("\(repository):\(reference) is answered \(answer.status)")
        }
        return (
            answer.headers["content-type"] ?? "", answer.headers["docker-content-digest"] ?? "",
            answer.body.count, answer.json
        )
    }
}
