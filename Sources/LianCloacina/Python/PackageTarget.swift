/// A kind of machine that a package can be made for.
package enum PackageTarget: String, CaseIterable, Sendable {
    case linuxX86 = "linux-x86_64"
    case linuxARM = "linux-arm64"
    case macX86 = "macos-x86_64"
    case macARM = "macos-arm64"

    /// The one that this program runs on.
    package static var own: PackageTarget {
        #if os(macOS) && arch(arm64)
            .macARM
        #elseif os(macOS)
            .macX86
        #elseif arch(arm64)
            .linuxARM
        #else
            .linuxX86
        #endif
    }

    package var isLinux: Bool { self == .linuxX86 || self == .linuxARM }

    /// Each once, in the order in which they are named; this machine's where none is.
    package static func all(named names: [String]) throws(CloacinaError) -> [PackageTarget] {
        let unknown = names.filter { PackageTarget(rawValue: $0) == nil }
        guard unknown.isEmpty else {
            throw CloacinaError(
                .targetUnsupported, .arguments, "no such target: \(unknown.joined(separator: ", "))",
                hint: "The targets are \(allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        var targets: [PackageTarget] = []
        for case let target? in names.map(PackageTarget.init) where !targets.contains(target) { targets.append(target) }
        return targets.isEmpty ? [.own] : targets
    }
}
