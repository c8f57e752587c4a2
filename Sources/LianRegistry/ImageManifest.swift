import CCrypto
import LianModel

/// A manifest as a registry keeps it: of one image, or the index of several.
package struct ImageManifest: Equatable, Sendable {
    package let mediaType: String
    package let bytes: [UInt8]

    package init(mediaType: String, bytes: [UInt8]) {
        self.mediaType = mediaType
        self.bytes = bytes
    }

    /// As a registry answered it. What it is says the manifest itself, of which its digest speaks; where it does not, the
    /// registry's word counts. Nil for what is no manifest, and where one word is against the other.
    init?(answered type: String?, bytes: [UInt8]) {
        guard let json = try? JSONValue.parse(bytes), json.objectValue != nil else { return nil }
        let said = [json["mediaType"]?.stringValue, type].compactMap { $0 }.filter(Self.types.contains)
        guard let first = said.first, said.allSatisfy({ $0 == first }) else { return nil }
        self.init(mediaType: first, bytes: bytes)
        // One that is both would be another image to each of two readers.
        guard (json["manifests"] != nil) == isIndex, (json["layers"] == nil) || !isIndex else { return nil }
    }

    /// It names the manifest for good: whatever has it is this manifest, to the byte.
    package var digest: String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        return "sha256:\(hexadecimal(digest))"
    }

    /// What an index says of it.
    package var descriptor: [String: JSONValue] {
        ["mediaType": .string(mediaType), "digest": .string(digest), "size": .integer(bytes.count)]
    }

    var isIndex: Bool { Self.indexTypes.contains(mediaType) }

    static let ociIndex = "application/vnd.oci.image.index.v1+json"
    static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
    static let dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
    private static let indexTypes = [ociIndex, dockerList]
    static let types = ["application/vnd.oci.image.manifest.v1+json", dockerImage] + indexTypes
}
