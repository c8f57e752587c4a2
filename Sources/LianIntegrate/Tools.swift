import LianModel
import LianSystem

/// Whether the programs that a build runs are here, and which versions they are.
struct ToolProbe: Sendable {
    let environment: [String: String]

    private static let names = ["nickel", "rsync"]

    /// What was found; the problem instead where one of them is of no use.
    func probe(within limit: Duration) async -> (isGood: Bool, detail: String) {
        await withTaskGroup(of: (Int, Bool, String).self) { group in
            for (index, name) in Self.names.enumerated() {
                group.addTask {
                    let (isGood, text) = await version(of: name, within: limit)
                    return (index, isGood, text)
                }
            }
            var found: [(Int, Bool, String)] = []
            for await one in group { found.append(one) }
            found.sort { $0.0 < $1.0 }
            let problems = found.filter { !$0.1 }
            return (problems.isEmpty, (problems.isEmpty ? found : problems).map(\.2).joined(separator: ", "))
        }
    }

    private func version(of name: String, within limit: Duration) async -> (Bool, String) {
        guard let path = findExecutable(name, path: environment["PATH"]) else {
            return (false, "\(name) is not on PATH")
        }
        // No secret of the caller's reaches them.
        let command = Command(
            path, ["--version"], environment: environment.filter { ["PATH", "HOME"].contains($0.key) })
        do {
            let result = try await run(command, deadline: limit, outputLimit: 64 << 10)
            guard result.termination.isSuccess, let version = Self.version(in: result.outputText) else {
                return (false, "\(name) --version does not work")
            }
            return (true, "\(name) \(version)")
        } catch {
            return (false, error == .timedOut ? "\(name) --version does not end" : "\(name) cannot be run")
        }
    }

    /// The first word with digits and a dot, as in `rsync  version 3.2.7  protocol version 31`.
    static func version(in text: String) -> String? {
        text.prefix(4096).split(whereSeparator: \.isWhitespace).first { word in
            word.utf8.first.map(Identifier.isDigit) == true && word.contains(".")
                && word.utf8.allSatisfy { Identifier.isAlphanumeric($0) || ".-+".utf8.contains($0) }
        }.map { String($0.prefix(40)) }
    }
}
