/// The remote side: one constant script. The command line that starts it is constant too; whatever differs from call
/// to call comes in on its standard input, as lines that no shell ever parses.
package enum Wrapper {
    /// Reads the script from standard input, to the byte, and runs it. Any login shell takes this line.
    package static let commandLine =
        "exec /bin/sh -c 'lian_wrapper=$(dd bs=\(script.utf8.count) count=1 iflag=fullblock 2>/dev/null); eval \"$lian_wrapper\"'"

    /// Wrapper.sh as it travels.
    package static let script = withoutComments(String(decoding: PackageResources.Wrapper_sh, as: UTF8.self))
}

/// A script without its comments, which are for people who read the file here.
func withoutComments(_ script: String) -> String {
    script.split(separator: "\n", omittingEmptySubsequences: false)
        .filter { !$0.drop { $0 == " " }.hasPrefix("#") }
        .joined(separator: "\n")
}
