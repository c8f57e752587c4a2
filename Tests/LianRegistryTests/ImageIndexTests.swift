import LianModel
import LianRegistry
import Testing

@Suite struct ImageIndexTests {
    private static let dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
    private static let ociImage = "application/vnd.oci.image.manifest.v1+json"
    private static let ociIndex = "application/vnd.oci.image.index.v1+json"

    private func image(_ type: String, _ content: String) -> ImageManifest {
        ImageManifest(mediaType: type, bytes: Array(content.utf8))
    }

    private func made(
        _ parts: [ImageIndex.Part], annotations: [String: String] = [:]
    ) throws -> (manifest: ImageManifest, json: JSONValue) {
        let manifest = try ImageIndex.make(of: parts, annotations: annotations)
        return (manifest, try JSONValue.parse(manifest.bytes))
    }

    @Test func theDigestIsThatOfTheBytes() {
        #expect(
            image(Self.ociImage, "abc").digest
                == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func ofDockersImagesAListOfDockers() throws {
        let parts = [("a", "linux/amd64"), ("b", "linux/arm/v7")].map { content, platform in
            ImageIndex.Part(image(Self.dockerImage, content), platform: platform)
        }
        let (manifest, json) = try made(parts)
        #expect(manifest.mediaType == "application/vnd.docker.distribution.manifest.list.v2+json")
        #expect(json["mediaType"]?.stringValue == manifest.mediaType && json["schemaVersion"] == 2)
        #expect(json["manifests"]?[0]?["digest"]?.stringValue == image(Self.dockerImage, "a").digest)
        #expect(json["manifests"]?[0]?["size"] == 1)
        #expect(json["manifests"]?[0]?["platform"] == ["os": "linux", "architecture": "amd64"])
        #expect(json["manifests"]?[1]?["platform"] == ["os": "linux", "architecture": "arm", "variant": "v7"])
    }

    @Test func oneOCIImageMakesItAnOCIIndex() throws {
        let parts = [Self.dockerImage, Self.ociImage].map {
            ImageIndex.Part(image($0, $0), platform: "linux/amd64")
        }
        #expect(try made(parts).manifest.mediaType == Self.ociIndex)
    }

    /// Docker's list knows no annotations.
    @Test func annotationsMakeItAnOCIIndex() throws {
        let part = ImageIndex.Part(image(Self.dockerImage, "a"), platform: "linux/386")
        let (manifest, json) = try made([part], annotations: ["dev.lian.a": "1"])
        #expect(manifest.mediaType == Self.ociIndex && json["annotations"] == ["dev.lian.a": "1"])
        let annotated = ImageIndex.Part(
            image(Self.dockerImage, "a"), platform: "linux/386", annotations: ["dev.lian.b": "2"])
        let (other, members) = try made([annotated])
        #expect(other.mediaType == Self.ociIndex)
        #expect(members["manifests"]?[0]?["annotations"] == ["dev.lian.b": "2"])
    }

    /// An index is taken apart: what it names stands in the whole as it stood there, once.
    @Test func anIndexIsNotNested() throws {
        let members: JSONValue = [
            [
                "mediaType": .string(Self.ociImage), "digest": .string(image(Self.ociImage, "a").digest), "size": 1,
                "platform": ["os": "linux", "architecture": "amd64"],
            ],
            [
                "mediaType": .string(Self.ociImage), "digest": .string(image(Self.ociImage, "p").digest), "size": 1,
                "platform": ["os": "unknown", "architecture": "unknown"],
                "annotations": [
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": .string(image(Self.ociImage, "a").digest),
                ],
            ],
        ]
        let index = ImageManifest(
            mediaType: Self.ociIndex,
            bytes: JSONValue.object(["schemaVersion": 2, "manifests": members]).encodedBytes())
        let plain = ImageIndex.Part(image(Self.ociImage, "b"), platform: "linux/386")
        let (manifest, json) = try made([
            ImageIndex.Part(index, platform: "linux/amd64"), plain, ImageIndex.Part(index, platform: "linux/amd64"),
        ])
        #expect(manifest.mediaType == Self.ociIndex && json["manifests"]?.arrayValue?.count == 3)
        #expect(json["manifests"]?[0] == members[0] && json["manifests"]?[1] == members[1])
        #expect(json["manifests"]?[2]?["platform"]?["architecture"] == "386")
    }

    @Test(arguments: ["", "{}", "{\"manifests\":[]}", "{\"manifests\":[{\"digest\":\"sha256:0\"}]}", "[1"])
    func anIndexThatNamesNothing(content: String) {
        let part = ImageIndex.Part(image(Self.ociIndex, content), platform: "linux/amd64")
        #expect(throws: RegistryFailure.self) { try ImageIndex.make(of: [part]) }
    }
}
