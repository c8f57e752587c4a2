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
