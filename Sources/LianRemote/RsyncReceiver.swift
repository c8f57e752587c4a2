import Glibc
import LianChannel
import LianModel
import LianSystem

/// The options for `rsync --server` at the other end, so that both ends speak the same dialect. They depend on both
/// programs' versions, and only the local rsync knows its own: it hands them to its `-e` program. From there they are
/// taken one by one where they are known to name nothing on the runner; its command and its path are never used.
package struct RsyncServerOptions: Equatable, Sendable {
    package let options: [String]

    /// From the arguments of rsync's `-e` program: HOST rsync --server OPTION… . PATH. The other side `sends` where
    /// something is fetched from it.
    package init(transportArguments arguments: [String], sends: Bool = false) throws(RemoteFailure) {
        guard let server = arguments.firstIndex(of: "--server"), server >= 1,
            let dot = arguments.lastIndex(of: "."), dot == arguments.count - 2, dot > server
        else { throw .invalidRequest("rsync starts its other side in an unknown way: \(arguments)") }
        var given = Array(arguments[(server + 1)..<dot])
        if sends, given.first == "--sender" {
            given.removeFirst()
        } else if sends {
            throw .invalidRequest("rsync does not want its other side to send: \(arguments)")
        }
        if let unknown = given.first(where: { !Self.isKnown($0) }) {
            throw .invalidRequest("rsync wants '\(unknown)' of its other side, which is not allowed there")
        }
        options = given
    }

    private static let flags: Set<String> = [
        "--inplace", "--numeric-ids", "--delete", "--delete-before", "--delete-during", "--delete-delay",
        "--delete-after", "--delete-excluded", "--force", "--partial", "--new-compress", "--old-compress",
        "--ignore-times", "--size-only", "--no-implied-dirs", "--no-r", "--dirs",
        // Times are compared to the nanosecond.
        "-@-1",
    ]
    private static let settings: Set<String> = [
        "--compress-level", "--compress-choice", "--checksum-choice", "--checksum-seed", "--timeout", "--block-size",
        "--info", "--debug", "--modify-window", "--max-alloc", "--bwlimit", "--protocol",
    ]

    private static func isKnown(_ option: String) -> Bool {
        if flags.contains(option) { return true }
        if option.hasPrefix("--") {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 && settings.contains(String(parts[0])) && !parts[1].isEmpty
                && parts[1].utf8.allSatisfy { Identifier.isAlphanumeric($0) || ".,-".utf8.contains($0) }
        }
        // One bundle of letters; behind its `e` stands what the client can do, `protocol.letters`. Without a bundle's
        // `s` the server takes its arguments from the command line, which is ours.
        guard option.hasPrefix("-"), option.count > 1 else { return false }
        let bundle = option.dropFirst()
        let letters = bundle.prefix { $0 != "e" }
        let abilities = bundle.dropFirst(letters.count + 1)
        return letters.utf8.allSatisfy { Identifier.isAlphanumeric($0) } && !letters.contains("s")
            && abilities.utf8.allSatisfy { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: ".") }
    }
}

/// A context's folder on a runner's volume.
package struct VolumeFolder: Equatable, Sendable {
    /// The folder on the volume that the user may write in.
    package let volume: String
    package let name: String
    /// The names of all contexts of the build: those of earlier builds are removed.
    package let names: [String]

    package init(volume: String, name: String, names: [String]) {
        self.volume = volume
        self.name = name
        self.names = names
    }

    package var path: String { "\(volume)/lian-build/\(name)" }

    /// Whether what lies in the folder stays, to be compared, or the folder begins empty.
    package enum Content: String, Sendable {
        case kept, none
    }
}

/// Starts the receiving rsync in a folder of the runner, made where it is not there; with a volume the context lies
/// there, and the folder is a link to it. Afterwards the channel's input and output are rsync's stream; on its standard
/// error rsync speaks for itself.
package func startRsyncReceiver(
    on host: any RemoteHost, folder: String, volume: (folder: VolumeFolder, content: VolumeFolder.Content)? = nil,
    options: RsyncServerOptions, limit: Duration = .seconds(20)
) async throws -> any RemoteChannel {
    guard folder.hasPrefix("/") else { throw RemoteFailure.invalidRequest("the context's folder is not absolute") }
    var request = WrapperRequest("receive", folder: folder)
    try request.value(folder)
    try request.value(volume?.folder.volume ?? "")
    if let (folder, content) = volume {
        request.line(folder.name)
        request.line(content.rawValue)
        request.line("/\(folder.names.joined(separator: "/"))/")
    }
    try request.values(options.options)
    return try await startRsync(on: host, request, limit)
}

/// Starts the sending rsync in the folder of a run, for a file in it or, where the name ends with `/`, what is in a folder.
package func startRsyncSender(
    on host: any RemoteHost, folder: String, name: String, options: RsyncServerOptions, limit: Duration = .seconds(20)
) async throws -> any RemoteChannel {
    var request = WrapperRequest("send", folder: folder)
    try request.value(folder)
    request.line(name)
    try request.values(options.options)
    return try await startRsync(on: host, request, limit)
}

private func startRsync(
    on host: any RemoteHost, _ request: WrapperRequest, _ limit: Duration
) async throws -> any RemoteChannel {
    let started: RsyncChannel? = try await withinLimit(limit) {
        let channel = try await WaitingWrapper.start(on: host, limit: limit).channel
        return try await orConnectionLost {
            try await channel.write(request.bytes)
            return RsyncChannel(channel, request)
        }
    }
    guard let started else { throw RemoteFailure.connectionLost("rsync's channel could not be opened in time") }
    return started
}

/// rsync's stream, with the wrapper's refusal, where there is one, told as an error of its own.
private actor RsyncChannel: RemoteChannel {
    private let channel: any RemoteChannel
    private var start: StreamStart
    private var records: RecordParser

    init(_ channel: any RemoteChannel, _ request: WrapperRequest) {
        self.channel = channel
        start = StreamStart(nonce: request.nonce)
        records = RecordParser(request)
    }

    nonisolated var sentBytes: Int { channel.sentBytes }
    nonisolated var receivedBytes: Int { channel.receivedBytes }

    func write(_ bytes: [UInt8]) async throws { try await channel.write(bytes) }
    func closeInput() async throws { try await channel.closeInput() }
    func close() async -> RemoteEnd { await channel.close() }

    func pump(input: Int32, output: Int32) async throws -> PumpResult {
        // rsync's first words may come in one piece with the line that marks where they begin.
        var complaints: [UInt8] = []
        while !start.hasBegun, let piece = try await read() {
            switch piece {
            case .error(let bytes):
                complaints += bytes
                guard complaints.count <= StreamStart.noiseLimit else { throw StreamStart.endlessNoise }
            case .output(let bytes):
                let written = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
                guard written == bytes.count else { throw RemoteFailure.connectionLost("rsync took no data") }
            }
        }
        let result = try await channel.pump(input: input, output: output)
        _ = try records.feed(result.errorOutput)
        return PumpResult(
            sent: result.sent, received: result.received, errorOutput: complaints.suffix(4096) + result.errorOutput)
    }

    func read() async throws -> RemoteOutput? {
        while let output = try await channel.read() {
            switch output {
            case .output(let bytes):
                let own = try start.strip(bytes)
                if !own.isEmpty { return .output(own) }
            case .error(let bytes):
                _ = try records.feed(bytes)
                return output
            }
        }
        return nil
    }
}
