import LianCloacina
import LianFlags
import LianModel

/// What can be typed. Help, completions and man page are made from it too.
extension CommandSyntax {
    package static let cloacina = cloacina(calledAs: "lian-cloacina")

    /// Under the names of the programs that it stands in for, it has just their commands.
    package static func cloacina(calledAs path: String) -> CommandSyntax {
        switch path.split(separator: "/").last {
        case "cloacinactl": program("cloacinactl", [package("cloacinactl"), plugin("cloacinactl")])
        case "cloaca": program("cloaca", [build("cloaca")])
        default: program("lian-cloacina", [package("lian-cloacina"), build("lian-cloacina"), plugin("lian-cloacina")])
        }
    }

    private static func program(_ name: String, _ subcommands: [CommandSyntax]) -> CommandSyntax {
        CommandSyntax(
            name, summary: "Build, pack, sign, check and upload Cloacina workflow packages.",
            usage: ["\(name) \(subcommands.map(\.name).joined(separator: "|")) [flags]"], subcommands: subcommands,
            groups: [FlagGroup("Help", [.help, version, .completions])],
            notes: ["stdout carries one JSON line, the result; everything for people is on stderr."], exits: exits)
    }

    private static let version = Flag.toggle("--version", "The version.")

    private static let exits = [
        Entry("0", "done, or a dry run"), Entry("1", "the package, its build or its signature is not good"),
        Entry("2", "the request is wrong"), Entry("3", "the server"), Entry("4", "a tool"), Entry("6", "out of time"),
        Entry("70", "a defect of ours"), Entry("129/130/143", "a signal"),
    ]

    private static let timeout = Flag(
        "--timeout", .one("SEC"), "The most seconds that the whole may take. Default: 900.")

    // MARK: package

    private static func package(_ program: String) -> CommandSyntax {
        let invocation = "\(program) package"
        let folder = Operand("DIR", .folder)
        let archive = Operand("ARCHIVE", .file)
        func command(
            _ name: String, _ summary: String, _ operand: Operand?, _ flags: [Flag]
        ) -> CommandSyntax {
            CommandSyntax(
                "\(invocation) \(name)", summary: summary,
                usage: ["\(invocation) \(name)\(operand.map { " \($0.name)" } ?? "") [flags]"], operand: operand,
                groups: [
                    FlagGroup("Options", flags + common), FlagGroup("Server", serverFlags),
                    FlagGroup("Help", [.help, version]),
                ])
        }
        return CommandSyntax(
            invocation, summary: "Packages: archives of a workflow's sources.",
            usage: ["\(invocation) COMMAND [flags]"],
            subcommands: [
                command(
                    "build", "Check the crate and compile it by cargo.", folder,
                    [
                        release,
                        Flag(
                            "--remote", .one("FILE"), completion: .file,
                            "Compile on a runner: FILE are directives of lian-build's for DIR."),
                    ]),
                command(
                    "pack", "Make the archive of a folder.", folder,
                    [
                        Flag(
                            "--out", .one("PATH"), completion: .file,
                            "Where it is written. Default: NAME-VERSION.EXT here."),
                        sign,
                        Flag(
                            "--sign-embed", .one("KEY"), completion: .file,
                            "Put a signature by this key into the archive."),
                        Flag(
                            "--layout", .one("LAYOUT"), completion: .choices(of: PackCommand.Layout.self),
                            "source (hosts take this) or cdylib. Default: source."),
                        release,
                        Flag(
                            "--target-dir", .one("DIR"), environment: "CARGO_TARGET_DIR", completion: .folder,
                            "Where cargo has put the library."),
                        .toggle("--allow-over-limits", "Keep an archive that hosts will refuse for its size."),
                        .toggle("--dry-run", "Say what would travel, and write nothing."),
                    ]),
                command("validate", "Check a folder or an archive as a host would.", Operand("PATH", .file), []),
                command(
                    "inspect", "Look into an archive, a folder or a library; or ask the server for a package.",
                    Operand("WHAT", .file),
                    [
                        .toggle("--offline", "WHAT is a file or a folder; no server is asked."),
                        .toggle("--load", "Load the library and ask it: this runs its code."),
                    ]),
                command(
                    "sign", "Make ARCHIVE.sig beside an archive.", archive,
                    [Flag("--key", .one("KEY"), completion: .file, "The private key: a file, env:NAME or file:PATH.")]),
                command(
                    "verify", "Check the signatures of an archive.", archive,
                    [
                        Flag(
                            "--key", .many("PUB"), completion: .file,
                            "A public key that is trusted: a file, env:NAME or file:PATH."),
                        Flag("--signature", .one("FILE"), completion: .file, "Default: ARCHIVE.sig."),
                        Flag(
                            "--require", .one("KIND"), completion: .choices(of: CloacinaReport.Signature.Kind.self),
                            "The kind of signature that has to be there: sidecar or embedded."),
                    ]),
                command(
                    "unpack", "Unpack an archive under the limits of hosts.", archive,
                    [Flag("--out", .one("DIR"), completion: .folder, "The folder to unpack into. Default: here.")]),
                command("upload", "Send an archive to the server.", Operand("FILE", .file), []),
                command(
                    "publish", "Build, pack, sign and upload.", folder,
                    [release, sign, .toggle("--skip-build", "Do not compile here: hosts compile anyway.")]),
                command(
                    "keygen", "Make a pair of keys.", nil,
                    [
                        Flag(
                            "--out", .one("PREFIX"), completion: .file,
                            "Makes PREFIX.secret and PREFIX.public. Default: cloacina-key."),
                        .toggle("--pem", "Also as PREFIX.secret.pem and PREFIX.public.pem."),
                    ]),
            ],
            groups: [FlagGroup("Help", [.help, version])])
    }

    private static let release = Flag.toggle("--release", "Optimised.")
    private static let sign = Flag(
        "--sign", .one("KEY"), completion: .file, "Sign by this private key: a file, env:NAME or file:PATH.")

    private static let outputFlags = [
        Flag(
            "--output", .one("FORMAT"), short: "o", completion: .choices(of: OutputForm.self),
            "json, id (just the one value, for scripts) or table. Default: json."),
        .toggle("--json", "The same as -o json."),
    ]

    private static let common =
        outputFlags + [
            .toggle("--verbose", short: "v", "Say more."), .toggle("--no-color", "No colors, in cargo's words."),
            timeout,
        ]

    private static let serverFlags = [
        Flag(
            "--home", .one("DIR"), environment: "CLOACINA_HOME", completion: .folder,
            "Where config.toml is. Default: ~/.cloacina."),
        Flag("--profile", .one("NAME"), "The profile of config.toml to take."),
        Flag("--server", .one("URL"), environment: "CLOACINA_SERVER", "The server."),
        Flag(
            "--api-key", .one("KEY"), environment: "CLOACINA_API_KEY",
            "The key for the server; env:NAME and file:PATH keep it off the process list."),
        Flag("--tenant", .one("NAME"), "The tenant. Default: public."),
    ]

    // MARK: build

    private static func build(_ program: String) -> CommandSyntax {
        CommandSyntax(
            "\(program) build", summary: "Package the Python project in the current folder.",
            usage: ["\(program) build [flags]"],
            groups: [
                FlagGroup(
                    "Options",
                    [
                        Flag(
                            "--output", .one("DIR"), short: "o", completion: .folder,
                            "The folder to write to, made if missing. Default: here."),
                        Flag(
                            "--target", .many("TARGET"),
                            completion: .choices(of: PackageTarget.self),
                            "A machine that it has to run on. Default: this one."),
                        .toggle("--verbose", short: "v", "Say more."),
                        .toggle("--dry-run", "Say what would be made, and write nothing."),
                        Flag(
                            "--format", .one("FORMAT"), completion: .choices(of: PythonBuildCommand.Format.self),
                            "v2 (manifest.json) or source (what hosts take today). Default: v2."),
                        Flag(
                            "--python", .one("PATH"), environment: "CLOACA_PYTHON", completion: .file,
                            "The interpreter. Default: python3."),
                        Flag("--python-version", .one("X.Y"), "The Python that the dependencies are for."),
                        .toggle("--no-vendor", "Leave the dependencies out."),
                        Flag("--project", .one("DIR"), completion: .folder, "The project's folder. Default: here."),
                        sign, timeout,
                    ]),
                FlagGroup("Help", [.help, version]),
            ])
    }

    // MARK: plugin

    private static func plugin(_ program: String) -> CommandSyntax {
        let invocation = "\(program) plugin"
        return CommandSyntax(
            invocation, summary: "Plugins: libraries that the engine loads.",
            usage: ["\(invocation) COMMAND [flags]"],
            subcommands: [
                CommandSyntax(
                    "\(invocation) inspect", summary: "Look into a library.",
                    usage: ["\(invocation) inspect LIB [flags]"], operand: Operand("LIB", .file),
                    groups: [
                        FlagGroup(
                            "Options",
                            [.toggle("--load", "Load the library and ask it: this runs its code.")] + outputFlags
                                + [timeout]), FlagGroup("Help", [.help, version]),
                    ]),
                CommandSyntax(
                    "\(invocation) new", summary: "Write a new plugin in Swift.",
                    usage: ["\(invocation) new NAME [flags]"], operand: Operand("NAME", .nothing),
                    groups: [
                        FlagGroup(
                            "Options",
                            [
                                Flag(
                                    "--out", .one("DIR"), completion: .folder,
                                    "The folder to write to. Default: one called as the plugin.")
                            ] + outputFlags + [timeout]), FlagGroup("Help", [.help, version]),
                    ]),
            ],
            groups: [FlagGroup("Help", [.help, version])])
    }
}
