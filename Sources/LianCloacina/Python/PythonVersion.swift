/// A Python that dependencies are for: `3.11`.
package struct PythonVersion: Equatable, Sendable, CustomStringConvertible {
    package let minor: Int

    package var description: String { "3.\(minor)" }

    package init(minor: Int) {
        self.minor = minor
    }

    /// From `3.11`.
    package init(_ text: String) throws(CloacinaError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "3", parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let minor = Int(parts[1]), minor < 100
        else {
            throw CloacinaError(
                .invalidArgument, .arguments, "'\(text.prefix(40))' is no version of Python",
                hint: "Write it with two numbers, as in --python-version 3.11.")
        }
        self.init(minor: minor)
    }

    /// 3.11, or the lowest that `requires-python` allows where it does not allow that.
    package init(allowedBy requirement: String?) throws(CloacinaError) {
        var clauses: [VersionClause] = []
        for text in (requirement ?? "").split(separator: ",") {
            guard let clause = VersionClause(text) else {
                throw .pyproject(
                    .pyprojectInvalid, "project.requires-python in pyproject.toml is no set of versions",
                    hint: "Write it as in \">=3.10\".")
            }
            clauses.append(clause)
        }
        // Of a version with two numbers, some release is allowed or none.
        let isAllowed = { (minor: Int) in
            (0..<50).contains { patch in clauses.allSatisfy { $0.allows([3, minor, patch]) } }
        }
        guard let minor = isAllowed(11) ? 11 : (0..<50).first(where: isAllowed) else {
            throw .pyproject(
                .pyprojectInvalid, "project.requires-python in pyproject.toml allows no Python 3",
                hint: "Allow one, or name it with --python-version.")
        }
        self.init(minor: minor)
    }
}

/// One comparison of PEP 440, as far as versions of Python need it: `>=3.10`, `!=3.11.*`.
private struct VersionClause {
    private let comparison: String
    private let release: [Int]
    private let isPrefix: Bool

    init?(_ text: Substring) {
        let text = text.filter { $0 != " " && $0 != "\t" }
        guard let comparison = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"].first(where: text.hasPrefix) else {
            return nil
        }
        var numbers = text.dropFirst(comparison.count)
        isPrefix = numbers.hasSuffix(".*")
        if isPrefix { numbers = numbers.dropLast(2) }
        let release = numbers.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard release.allSatisfy({ $0.map { $0 >= 0 } ?? false }),
            !isPrefix || comparison == "==" || comparison == "!=",
            comparison != "~=" || release.count > 1
        else { return nil }
        self.comparison = comparison
        self.release = release.compactMap { $0 }
    }

    func allows(_ version: [Int]) -> Bool {
        let length = max(version.count, release.count)
        let order = compare(padded(version, length), padded(release, length))
        switch comparison {
        case "==", "===": return isPrefix ? version.starts(with: release) : order == 0
        case "!=": return isPrefix ? !version.starts(with: release) : order != 0
        case "<=": return order <= 0
        case ">=": return order >= 0
        case "<": return order < 0
        case ">": return order > 0
        default: return order >= 0 && version.starts(with: release.dropLast())
        }
    }

    private func padded(_ numbers: [Int], _ length: Int) -> [Int] {
        numbers + Array(repeating: 0, count: length - numbers.count)
    }

    private func compare(_ left: [Int], _ right: [Int]) -> Int {
        if left == right { return 0 }
        return left.lexicographicallyPrecedes(right) ? -1 : 1
    }
}
