/// The flags that every program has.
extension Flag {
    package static let help = Flag.toggle("--help", short: "h", "This page.")
    package static let version = Flag.toggle("--version", short: "v", "The version.")
    package static let completions = Flag(
        "--completions", .one("SHELL"), completion: .choices(of: Shell.self),
        "The completions of bash, zsh or fish, for your shell to read.")
}
