import LianChannel
import LianModel
import LianSystem

/// The programs on the runner's PATH that a build needs, each with the first line of what it says of its version.
package struct RunnerTools: Equatable, Sendable {
    package var rsync: String?
    package var buildctl: String?

    /// Whether buildctl has `--progress=rawjson`: BuildKit's own, from 0.13 on.
    package var speaksRawJSON: Bool {
        guard let words = buildctl?.split(separator: " "),
            let name = words.firstIndex(where: { $0.hasSuffix("/buildkit") }),
            words.indices.contains(name + 1), words[name + 1].hasPrefix("v")
        else { return false }
        let numbers = words[name + 1].dropFirst().split(separator: ".").prefix(2).map { OutsideNumber.whole($0) }
        guard numbers.count == 2, let major = numbers[0] else { return false }
        return major > 0 || numbers[1] ?? 0 >= 13
    }

    package init(rsync: String? = nil, buildctl: String? = nil) {
        self.rsync = rsync
        self.buildctl = buildctl
    }

    /// From an answer with one line for each program: its name, and what it said of its version.
    init(answer: String) {
        for line in answer.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            switch words.first {
            case "rsync": rsync = words.count > 1 ? words[1] : ""
            case "buildctl": buildctl = words.count > 1 ? words[1] : ""
            default: break
            }
        }
    }

    /// Asks the runner for its programs.
    package static func probe(_ host: any RemoteHost, limit: Duration = .seconds(20)) async throws -> RunnerTools {
        let channel = try await WrapperChannel.open(
            on: host, request: WrapperRequest("probe"), silenceLimit: limit)
        var text: [UInt8] = []
        do {
            let deadline = ContinuousClock.now + limit * 3
            while let message = try await channel.next(), text.count < 65536 {
                guard deadline > .now else { throw RemoteFailure.connectionLost("the runner answers without end") }
                if case .stream(let bytes) = message { text += bytes }
            }
        } catch {
            await channel.close()
            throw error
        }
        let end = await channel.close()
        guard end.isClean else { throw RemoteFailure.connectionLost("the channel broke while the runner was asked") }
        return RunnerTools(answer: String(decoding: text, as: UTF8.self))
    }
}
