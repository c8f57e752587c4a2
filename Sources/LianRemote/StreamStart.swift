/// Finds where the wrapper's own standard output begins: behind a line with the nonce. A login shell's rc files may
/// have printed something before it.
struct StreamStart {
    private let marker: [UInt8]
    private var noise: [UInt8] = []
    private(set) var hasBegun = false

    /// The most that may come before the nonce, on either of the channel's outputs.
    static let noiseLimit = 1 << 16
    static let endlessNoise = RemoteFailure.connectionLost("the runner's login shell prints without end")

    init(nonce: Nonce) {
        marker = Array("\(nonce.text)\n".utf8)
    }

    /// Drops what comes before the stream, and returns those of the bytes that belong to it.
    mutating func strip(_ bytes: [UInt8]) throws(RemoteFailure) -> [UInt8] {
        if hasBegun { return bytes }
        noise += bytes
        var start = noise.startIndex
        while let first = noise[start...].firstIndex(of: marker[0]), noise.count - first >= marker.count {
            if noise[first...].starts(with: marker) {
                hasBegun = true
                defer { noise = [] }
                return Array(noise[(first + marker.count)...])
            }
            start = first + 1
        }
        guard noise.count <= Self.noiseLimit else { throw Self.endlessNoise }
        return []
    }
}
