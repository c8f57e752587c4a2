import LianModel

/// What the remote side says: raw bytes of the stream, and records behind the nonce.
enum WrapperMessage: Equatable, Sendable {
    case stream([UInt8])
    case attached
    case heartbeat
    case ended(RunEnd)
    case result([UInt8]?)
    case done
}

/// Takes records out of the channel's standard error. Only lines behind the nonce count; what login shells and
/// programs print there is noise.
struct RecordParser {
    private let prefix: String
    private let folder: String
    private let program: String
    private let mask: SecretMask
    private let resultLimit: Int
    private var line: [UInt8] = []
    private var result: (left: Int, bytes: [UInt8])?
    private(set) var noise = ""
    var isTakingResult: Bool { result != nil }

    private static let lineLimit = 4096
    private static let noiseLimit = 500

    init(_ request: WrapperRequest, resultLimit: Int = 0) {
        prefix = request.nonce.text + " "
        folder = request.folder
        program = request.program
        mask = request.mask
        self.resultLimit = resultLimit
    }

    mutating func feed(_ bytes: [UInt8]) throws(RemoteFailure) -> [WrapperMessage] {
        var messages: [WrapperMessage] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            if let open = result {
                let part = rest.prefix(open.left)
                rest = rest.dropFirst(part.count)
                result = (open.left - part.count, open.bytes + part)
                if open.left == part.count { messages.append(endResult()) }
                continue
            }
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                line += rest.prefix(Self.lineLimit - min(line.count, Self.lineLimit))
                return messages
            }
            line += rest[..<end].prefix(Self.lineLimit - min(line.count, Self.lineLimit))
            rest = rest[(end + 1)...]
            defer { line.removeAll(keepingCapacity: true) }
            if let message = try record() { messages.append(message) }
            if result?.left == 0 { messages.append(endResult()) }
        }
        return messages
    }

    private mutating func endResult() -> WrapperMessage {
        defer { result = nil }
        return .result(result?.bytes)
    }

    private mutating func record() throws(RemoteFailure) -> WrapperMessage? {
        guard line.starts(with: prefix.utf8) else {
            if noise.utf8.count < Self.noiseLimit {
                noise += String(decoding: mask.masked(line[...]), as: UTF8.self).prefix(200) + "\n"
            }
            return nil
        }
        let text = String(decoding: line, as: UTF8.self)
        let words = text.dropFirst(prefix.count).split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        switch words.first {
        case "S": return .attached
        case "H": return .heartbeat
        case "D": return .done
        case "X" where words.dropFirst().first == "lost": throw .supervisorLost
        case "X" where words.dropFirst().first == "full": throw .diskFull
        case "X":
            guard let end = RunEnd(words: words.dropFirst()) else {
                throw .unintelligible("its end reads '\(onOneLine(text))'")
            }
            return .ended(end)
        case "R":
            guard words.count > 1, words[1] != "-" else { return .result(nil) }
            guard let size = OutsideNumber.whole(words[1], in: 0...resultLimit) else {
                throw .unintelligible("its result's size reads '\(onOneLine(words[1]))'")
            }
            result = (size, [])
            return nil
        case "E": throw refusal(words.dropFirst().joined(separator: " "))
        default: return nil
        }
    }

    private func refusal(_ reason: String) -> RemoteFailure {
        if reason.hasPrefix("volume ") { return .volumeUnusable(String(reason.dropFirst("volume ".count))) }
        return switch reason {
        case "gone": .runGone
        case "taken": .folderTaken(folder)
        case "folder": .folderUnusable(folder)
        case "missing": .commandMissing(program)
        case "rsync_missing": .rsyncMissing
        case "perl_missing": .perlMissing
        case "relay": .relayFailed
        case "setsid": .setsidMissing
        case "no_secret_store": .noSecretStore
        case "cgroup": .cgroupUnreadable
        default: .invalidRequest(reason)
        }
    }
}
