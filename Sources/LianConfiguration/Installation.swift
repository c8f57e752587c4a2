import Glibc
import LianSystem

/// Where the product finds what came with it: the Nickel contracts and its helper programs.
package struct Installation: Equatable, Sendable {
    /// The folder that holds `schemas` and `defaults`.
    package let share: String
    /// The folder that holds the helper programs.
    package let libexec: String

    package init(share: String, libexec: String) {
        self.share = share
        self.libexec = libexec
    }

    /// Looks from the running program outwards: an installed tree (`bin` beside `share/lian-build`), else a checkout
    /// that it was built in.
    package static func locate() -> Installation? {
        guard let program = realPath("/proc/self/exe") else { return nil }
        return locate(program: program)
    }

    package static func locate(program: String) -> Installation? {
        let bin = parentFolder(program)
        let prefix = parentFolder(bin)
        if isShare("\(prefix)/share/lian-build") {
            return Installation(share: "\(prefix)/share/lian-build", libexec: "\(prefix)/libexec/lian-build")
        }
        // .build/TRIPLE/CONFIGURATION/lian-build, whose helpers stand beside it.
        var folder = bin
        for _ in 0..<5 {
            if isShare(folder) { return Installation(share: folder, libexec: bin) }
            folder = parentFolder(folder)
        }
        return nil
    }

    private static func isShare(_ folder: String) -> Bool {
        fileKind("\(folder)/schemas/build_directives.ncl") == .regular
    }

    package var schemas: String { "\(share)/schemas" }
    package var defaults: String { "\(share)/defaults" }
}
