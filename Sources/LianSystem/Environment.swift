import Glibc

/// The environment of this process, read once at the start and passed on from there. A variable that is not UTF-8 is
/// left out: mended, a secret would be another one, and nobody would be told.
package func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        entry += 1
        guard let text = String(validatingCString: text) else { continue }
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, !parts[0].isEmpty { variables[String(parts[0])] = String(parts[1]) }
    }
    return variables
}
