import LianBuild
import LianFlags
import LianModel

extension CommandSyntax {
    package static let lianBuild = CommandSyntax(
        "lian-build",
        summary: "Container builds on ephemeral remote BuildKit runners.",
        usage: ["lian-build SUBCOMMAND [flags]"],
        subcommands: [build, integrate],
        groups: [FlagGroup("Flags", [.help, .version, .completions])],
        notes: ["lian-build SUBCOMMAND --help shows its flags."])

    package static let build = CommandSyntax(
        "lian-build build",
        summary: "Build an image on an ephemeral remote BuildKit runner and push it.",
        usage: [
            "lian-build build --workspace NAME --context DIR --image REF --ssh-key PATH [flags]",
            "lian-build build --directives FILE --ssh-key PATH [flags]",
        ],
        groups: [
            FlagGroup(
                "What to build",
                [
                    Flag(
                        "--workspace", .one("NAME"), environment: "BUILDKIT_WORKSPACE",
                        "The workspace: words of a-z and 0-9 joined by '-'."),
                    Flag(
                        "--context", .one("DIR|URL"), completion: .folder,
                        "The build context; or a Git repository or tar archive that the runner fetches."),
                    Flag("--image", .one("REF"), "The image: registry host, repository and tag."),
                    Flag(
                        "--directives", .one("FILE"), completion: .file,
                        "BuildDirectives (.ncl or .json); what is written there beats flags and environment."),
                    Flag(
                        "--dockerfile", .one("PATH"), alias: "--file", completion: .file,
                        "The Dockerfile, relative to the context; - for stdin. Default: Dockerfile."),
                    Flag("--target", .one("STAGE"), "The stage to build."),
                    Flag("--build-arg", .many("K[=V]"), "A build argument; without a value, the environment's."),
                    Flag("--tag", .many("REF"), "A further name for the same image."),
                    Flag(
                        "--platforms", .one("LIST"),
                        completion: .words(["linux/amd64", "linux/arm64", "linux/amd64,linux/arm64"]),
                        "Platforms, as in linux/amd64,linux/arm64: on a runner each, where there are such."),
                    Flag(
                        "--secret", .many("id=ID[,src=PATH|,env=NAME]"), completion: .file(after: "src="),
                        "A build secret: over SSH only, never an argument, a log or a disk."),
                    .toggle("--no-cache", "Run every step anew."),
                    .toggle("--no-push", "Build, write the cache, and push nothing."),
                    Flag(
                        "--output", .many("DIR|type=KIND,dest=PATH"), completion: .folder,
                        "In place of a push: local, tar, oci or docker, brought here; or image."),
                    .toggle("--load", "In place of a push: into this machine's Docker or Podman."),
                ],
                further: [
                    Flag(
                        "--call", .one("QUESTION"), completion: .choices(of: BuildCall.self),
                        "Build nothing: check the Dockerfile, or show its outline or its targets."),
                    Flag(
                        "--import-path", .many("DIR"), completion: .folder,
                        "Where Nickel looks for imports, after our own schemas and defaults."),
                    Flag(
                        "--build-context", .many("NAME=DIR|URL|docker-image://REF"), completion: .folder(after: "="),
                        "An extra context."),
                    Flag(
                        "--ssh", .many("ID[=SOCKET|KEY]"), completion: .file(after: "="),
                        "An SSH agent, or a key, for RUN --mount=type=ssh; no key leaves this machine."),
                ]),
            FlagGroup(
                "The image", [],
                further: [
                    Flag(
                        "--emulate", .one("WHEN"), completion: .choices(of: Emulation.self),
                        "Build for platforms that no runner has natively: auto (the default) or never."),
                    Flag("--label", .many("K=V"), "A label of the image."),
                    Flag(
                        "--annotation", .many("[TYPE:]K=V"),
                        "An annotation of the image's manifest, or of what TYPE names: index and others, as in buildx."),
                    Flag(
                        "--attest", .many("sbom|provenance[=MODE]"), completion: .words(["sbom", "provenance"]),
                        "An attestation, as in buildx."),
                    Flag(
                        "--compression", .one("KIND"), completion: .choices(of: LayerCompression.Kind.self),
                        "Of the layers: gzip, zstd or estargz. Default: BuildKit's."),
                    Flag("--compression-level", .one("N"), "Of that compression: up to 9, of zstd up to 22."),
                ]),
            FlagGroup(
                "How steps run", [],
                further: [
                    .toggle("--pull", "Ask the registry for each image, also where the engine has it."),
                    Flag("--no-cache-filter", .many("STAGE"), "Run the steps of this stage anew."),
                    Flag(
                        "--network", .one("MODE"), completion: .choices(of: StepSettings.Network.self),
                        "Of RUN steps: default, none or host."),
                    Flag("--add-host", .many("HOST:IP"), "A line in /etc/hosts of RUN steps."),
                    Flag("--ulimit", .many("TYPE=SOFT[:HARD]"), "A limit of RUN steps, like nofile=1024:2048."),
                    Flag("--shm-size", .one("SIZE"), "Of /dev/shm in RUN steps, like 64m."),
                    Flag(
                        "--allow", .many("ENTITLEMENT"),
                        completion: .words(["network.host", "security.insecure", "device"]),
                        "What this build may do beyond what a build may, where the runner's engine allows it too."),
                ]),
            FlagGroup(
                "Cache",
                [
                    Flag(
                        "--cache-from", .many("REF|type=KIND,K=V"),
                        "Read this cache, in place of the policy's: registry, local, gha, s3, azblob as in buildx."),
                    Flag(
                        "--cache-to", .many("REF|type=KIND,K=V"),
                        "Write this cache, in place of the policy's; inline too."),
                    Flag(
                        "--actor", .one("ID"), environment: "BUILDKIT_ACTOR",
                        "Session mode: read your own dev/ cache and ci/, write only your own dev/."),
                ],
                further: [
                    Flag(
                        "--volume", .one("NAME|off"), completion: .words(["off"]),
                        "What earlier runners left for this one. Default: named after the first artifact."),
                    Flag(
                        "--cache-export", .one("WHEN"), completion: .choices(of: CacheExport.self),
                        "always, or cold: only where the runner found no volume. Default: always."),
                ]),
            FlagGroup(
                "Size of the runner",
                [
                    Flag("--cpu", .one("N"), "Cores, for this build."),
                    Flag("--memory-gb", .one("N"), "Memory in GB, for this build."),
                    Flag("--time-budget", .one("MIN"), "Minutes that an attempt may take."),
                ],
                further: [
                    Flag(
                        "--language", .one("NAME"), completion: .words(LanguageDefault.languages),
                        "The default size where nothing else decides."),
                    Flag(
                        "--runner-image", .one("ID"), environment: "BUILDKIT_RUNNER_IMAGE",
                        "The machine image of the runner."),
                ]),
            FlagGroup(
                "Orchestrator and runner",
                [
                    Flag(
                        "--orchestrator-url", .one("URL"), environment: "ORCHESTRATOR_URL",
                        "Default: http://localhost:9011. Its token comes by ORCHESTRATOR_TOKEN."),
                    orchestratorCA,
                    Flag(
                        "--ssh-key", .one("PATH"), environment: "BUILDKIT_SSH_KEY",
                        completion: .file(or: "ephemeral"),
                        "Private key for the runner, or 'ephemeral' for one made for this build alone."),
                ],
                further: [
                    Flag(
                        "--spawn-timeout", .one("SEC"), environment: "BUILDKIT_SPAWN_TIMEOUT",
                        "From the spawn request until SSH answers. Default: 300."),
                    Flag(
                        "--known-hosts", .one("FILE"), completion: .file,
                        "Host keys, where the orchestrator gives none."),
                    Flag("--insecure-registry", .many("HOST"), "A registry that speaks plain HTTP."),
                ]),
            FlagGroup("Events", [], further: eventFlags),
            FlagGroup(
                "What is shown and kept",
                [
                    Flag(
                        "--progress", .one("FORM"), completion: .choices(of: ProgressForm.self),
                        "Of stderr: auto, tty, plain, json or quiet."),
                    Flag("--report", .one("FILE"), completion: .file, "An HTML report of where the time went."),
                    .toggle("--dry-run", "Decide everything, print the plan, spawn nothing."),
                    .help, .version,
                ],
                further: [
                    Flag(
                        "--metadata-file", .one("PATH"), completion: .file,
                        "BuildKit's metadata, as buildx writes it."),
                    Flag("--iidfile", .one("FILE"), completion: .file, "The image's id, as buildx writes it."),
                ]),
        ],
        examples: [
            Example(
                "One image, in CI",
                [
                    "lian-build build --workspace acme --context . \\",
                    "  --image registry.example/acme/app:1.4 --ssh-key ephemeral",
                ]),
            Example(
                "By directives, showing what would happen",
                ["lian-build build --directives ci.ncl --ssh-key ephemeral --dry-run"]),
            Example(
                "A session, with a dev cache of its own",
                [
                    "lian-build build --workspace acme --context . --actor ada \\",
                    "  --image registry.example/acme/app:dev-ada --ssh-key ~/.ssh/id_ed25519",
                ]),
        ],
        notes: [
            "stdout carries one JSON line, the result; everything for people is on stderr."
        ],
        exits: [
            Entry("0", "built, or a dry run"), Entry("1", "the build failed"), Entry("2", "the request is wrong"),
            Entry("3", "the orchestrator"), Entry("4", "the runner"), Entry("5", "out of memory or disk"),
            Entry("6", "out of time"), Entry("70", "a defect of ours"), Entry("129/130/143", "a signal"),
        ],
        variables: [
            token, Entry("SSH_KEY_PASSPHRASE", "of the private key, where there is no terminal to ask on"),
            Entry("SSH_AUTH_SOCK", "the agent, where --ssh-key names a public key"),
            Entry("DOCKER_CONFIG", "the folder of config.json, for logins to registries"),
            Entry("VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE", "the Vault that directives name secrets of"),
            Entry("OTEL_EXPORTER_OTLP_ENDPOINT", "a collector that gets the build's trace, by OTLP over HTTP in JSON"),
        ])

    package static let integrate = CommandSyntax(
        "lian-build integrate",
        summary: "Answer a federated probe: one SecretDeliveryContext on stdin, one JSON line on stdout.",
        usage: ["lian-build integrate [flags] < context.json"],
        groups: [
            FlagGroup(
                "Orchestrator",
                [
                    Flag(
                        "--orchestrator-url", .one("URL"), environment: "ORCHESTRATOR_URL",
                        "Where its health is asked; without it that check is skipped."),
                    orchestratorCA,
                ]),
            FlagGroup("Events", eventFlags),
            FlagGroup("Help", [.help, .version]),
        ],
        examples: [
            Example(
                "Probe the tools and the secrets of a workspace",
                [
                    #"echo '{"schema":"secret-delivery-context/v1","request_id":"r-1","workspace":"acme","#,
                    #"  "actor":{"id":"ci-7","kind":"ci"},"checks":["tools"]}' | lian-build integrate"#,
                ])
        ],
        notes: [
            "It spawns nothing and writes nothing to disk."
        ],
        exits: [
            Entry("0", "ok"), Entry("1", "a check failed"), Entry("2", "the input is not a context"),
            Entry("70", "a defect of ours"),
        ])

    private static let token = Entry("ORCHESTRATOR_TOKEN", "what the orchestrator demands of its callers")

    private static let orchestratorCA = Flag(
        "--orchestrator-ca", .one("FILE"), environment: "ORCHESTRATOR_CA", completion: .file,
        "A CA to trust beside the system's, for https://.")

    private static let eventFlags = [
        Flag("--nats-url", .one("URL"), environment: "NATS_URL", "Publish lifecycle events there, best-effort."),
        Flag(
            "--nats-nkey-seed", .one("SEED|@FILE"), environment: "NATS_NKEY_SEED",
            completion: .file(after: "@"),
            "The nkey seed; @FILE reads a file and keeps it off the process list."),
        Flag(
            "--nats-subject-prefix", .one("PREFIX"), environment: "NATS_SUBJECT_PREFIX",
            "Default: lian."),
        Flag("--nats-ca", .one("FILE"), completion: .file, "A CA to trust beside the system's, for tls://."),
    ]
}
