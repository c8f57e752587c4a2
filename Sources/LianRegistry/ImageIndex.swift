import LianModel

/// One index of what was built for several platforms. An index among the parts is not nested: what it names is taken
/// over as it is, its attestations with it.
package enum ImageIndex {
    /// What was pushed for some platforms.
    package struct Part: Sendable {
        let manifest: ImageManifest
        /// OS/ARCH or OS/ARCH/VARIANT.
        let platform: String
        let annotations: [String: String]

        /// The platform and the annotations are for the manifest of one image: an index says both by itself.
        package init(_ manifest: ImageManifest, platform: String, annotations: [String: String] = [:]) {
            self.manifest = manifest
            self.platform = platform
            self.annotations = annotations
        }
    }

    /// Docker's own form where all parts have that; it knows no annotations.
    package static func make(
        of parts: [Part], annotations: [String: String] = [:]
    ) throws(RegistryFailure) -> ImageManifest {
        var members: [JSONValue] = []
        for part in parts {
            for member in try self.members(of: part) where !members.contains(member) { members.append(member) }
        }
        let isDockers =
            annotations.isEmpty
            && parts.allSatisfy { part in
                [ImageManifest.dockerImage, ImageManifest.dockerList].contains(part.manifest.mediaType)
                    && part.annotations.isEmpty
            }
        let type = isDockers ? ImageManifest.dockerList : ImageManifest.ociIndex
        var index: [String: JSONValue] = [
            "schemaVersion": 2, "mediaType": .string(type), "manifests": .array(members),
        ]
        if !annotations.isEmpty { index["annotations"] = annotations.json }
        return ImageManifest(mediaType: type, bytes: JSONValue.object(index).encodedBytes())
    }

    private static func members(of part: Part) throws(RegistryFailure) -> [JSONValue] {
        guard part.manifest.isIndex else {
            var member = part.manifest.descriptor
            let platform = part.platform.split(separator: "/").map { JSONValue.string(String($0)) }
            member["platform"] = .object(
                Dictionary(zip(["os", "architecture", "variant"], platform), uniquingKeysWith: { first, _ in first }))
            if !part.annotations.isEmpty { member["annotations"] = part.annotations.json }
            return [.object(member)]
        }
        let members = (try? JSONValue.parse(part.manifest.bytes))?["manifests"]?.arrayValue ?? []
        guard !members.isEmpty, members.allSatisfy({ $0["digest"]?.stringValue.map(ImageReference.isDigest) == true })
        else { throw RegistryFailure("the index \(part.manifest.digest) names no images") }
        return members
    }
}
