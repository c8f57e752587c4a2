import LianFlags

extension CommandSyntax {
    package static let lianOrchestrator = CommandSyntax(
        "lian-orchestrator",
        summary: "Serves build runners on this machine: each with its own sshd and its own build engine.",
        usage: ["lian-orchestrator [flags]"],
        groups: [
            FlagGroup(
                "Configuration",
                [
                    Flag(
                        "--config", .one("FILE"), completion: .file,
                        "Nickel or JSON under schemas/orchestrator_config.ncl; a flag beats what it says. SIGHUP reads "
                            + "tokens and caps anew."),
                    .toggle("--check", "Read it, tell what would be served, and exit."),
                    Flag(
                        "--try", .one("NAME"),
                        "Try the provider of that name: make a runner, log in, build, destroy it, tell how long each took, "
                            + "and exit."),
                    .toggle("--new-token", "Print a new token and its hash, and exit."),
                    .toggle("--hash-token", "Print the hash of the token on stdin, and exit."),
                ]),
            FlagGroup(
                "Serving",
                [
                    Flag(
                        "--listen", .one("ADDR:PORT"),
                        "Where to serve; port 0 takes a free one. Default: \(Options().listen.text)."),
                    Flag(
                        "--token-file", .one("FILE"), completion: .file,
                        "The token that clients must send. Without it ORCHESTRATOR_TOKEN, and without that one is "
                            + "made at DIR/token."),
                    Flag(
                        "--tls-certificate", .one("FILE"), completion: .file,
                        "Serve HTTPS with this certificate and those of the authorities between, in PEM."),
                    Flag(
                        "--tls-key", .one("FILE"), completion: .file,
                        "The certificate's private key in PEM, readable by its owner alone."),
                    .toggle(
                        "--insecure-http",
                        "Serve plain HTTP to other machines too: something in front of it speaks TLS."),
                    Flag(
                        "--log", .one("FORM"), completion: .choices(of: EventLog.Form.self),
                        "Of stderr: json or text. Default: text on a terminal, else json."),
                ]),
            FlagGroup(
                "Runners",
                [
                    Flag(
                        "--engine", .one("NAME"), completion: .choices(of: EngineChoice.self),
                        "auto, buildkit, dockerd or docker; auto is the first of them that is there. Default: auto."),
                    Flag(
                        "--capacity", .one("N"),
                        "How many there may be at once. Default: \(Options().capacity)."),
                    Flag(
                        "--on-stop", .one("WHAT"), completion: .choices(of: Options.OnStop.self),
                        "destroy or keep them when this stops. Default: destroy."),
                ]),
            FlagGroup(
                "Volumes",
                [
                    Flag(
                        "--volumes", .one("HOW"), completion: .choices(of: VolumesChoice.self),
                        "What engines learned is kept for the next runner: clone gives each a copy of its own, exclusive "
                            + "hands it to one at a time; auto is the first of them that is possible here; none keeps nothing. "
                            + "Default: auto."
                    ),
                    Flag(
                        "--volume-gb", .one("N"),
                        "The largest that is kept. Default: \(Options().volumeGB)."),
                    Flag(
                        "--volumes-gb", .one("N"),
                        "What all may hold; the longest unused goes first. Default: 200, or "
                            + "half of the disk if that is less."),
                    Flag(
                        "--volume-days", .one("N"),
                        "How long one is kept that nobody uses. Default: \(Options().volumeDays)."),
                    Flag(
                        "--volumes-file-gb", .one("N"),
                        "The size of the file that holds them where the disk itself cannot clone. Default: half of what is "
                            + "free, 100 at most."),
                ]),
            FlagGroup(
                "State",
                [
                    Flag(
                        "--state", .one("DIR"), completion: .folder,
                        "Where everything is kept. Default: $XDG_STATE_HOME/lian-orchestrator, else "
                            + "$HOME/.local/state/lian-orchestrator."),
                    Flag(
                        "--history-days", .one("N"),
                        "How long builds are remembered. Default: \(Options().historyDays)."),
                    .toggle("--sweep", "Remove what an earlier run left behind, and exit."),
                ]),
            FlagGroup("Help", [.help, .version, .completions]),
        ],
        examples: [
            Example("For the builds of this user on this machine", ["lian-orchestrator"]),
            Example(
                "On a free port, with limits of its own",
                ["lian-orchestrator --listen 127.0.0.1:0 --capacity 4 --state /srv/runners"]),
            Example(
                "See whether a cluster can serve builds, and how fast",
                ["lian-orchestrator --config orchestrator.ncl --try lxd"]),
            Example(
                "For a team: look at the configuration first, then serve it",
                [
                    "lian-orchestrator --config orchestrator.ncl --check",
                    "lian-orchestrator --config orchestrator.ncl",
                ]),
            Example(
                "For other machines, by HTTPS",
                [
                    "lian-orchestrator --listen 0.0.0.0:9011 --tls-certificate chain.pem \\",
                    "  --tls-key key.pem --token-file token",
                ]),
        ],
        exits: [
            Entry("0", "stopped, swept, or tried with success"),
            Entry("1", "it cannot start, what was tried failed, or something is left that cannot be removed"),
            Entry("2", "the command line or the configuration is wrong"),
            Entry("128 + N", "signal N ended it at once"),
        ],
        variables: [
            Entry("ORCHESTRATOR_TOKEN", "the token that clients must send, where no file names one"),
            Entry("XDG_STATE_HOME", "where the state folder is, unless --state names another"),
        ],
        files: [
            Entry("DIR/listen", "the address of a running orchestrator"),
            Entry("DIR/token", "the token, where none was given"),
        ])
}
