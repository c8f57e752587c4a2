import LianBuild
import LianCLI
import LianFlags
import LianModel
import Testing

@Suite struct ArgumentParserTests {
    private func parse(_ arguments: [String], environment: [String: String] = [:]) throws -> ParsedArguments {
        try ArgumentParser.parse(arguments, for: .build, environment: environment)
    }

    private func options(_ arguments: [String], environment: [String: String] = [:]) throws -> BuildOptions {
        try BuildOptions(parse(arguments, environment: environment))
    }

    private func message(_ arguments: [String], environment: [String: String] = [:]) -> String? {
        let error = #expect(throws: LianError.self) { try options(arguments, environment: environment) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.hint.isEmpty == false)
        return error?.message
    }

    @Test func bothWaysOfGivingAValue() throws {
        let options = try options(["--workspace", "acme", "--image=reg.example/a:1", "--build-arg=K=a=b", "--no-cache"])
        #expect(options.workspace?.value == "acme")
        #expect(options.image?.value == "reg.example/a:1")
        #expect(options.buildArguments == [KeyValue(key: "K", value: "a=b")])
        #expect(options.noCache)
    }

    @Test func aValueMayLookLikeAFlagWhereItIsNone() throws {
        #expect(try options(["--target", "-x"]).target == "-x")
        #expect(try options(["--target=--image"]).target == "--image")
    }

    @Test(arguments: [
        (["--imgae", "x"], "--imgae is not a flag of build; did you mean --image?"),
        (["--memory", "4"], "--memory is not a flag of build; did you mean --memory-gb?"),
        (["--time=5"], "--time is not a flag of build; did you mean --time-budget?"),
        (["--nats", "nats://h"], "--nats is not a flag of build; did you mean --nats-url?"),
        (["--insecure", "h"], "--insecure is not a flag of build; did you mean --insecure-registry?"),
        (["--cache", "r"], "--cache is not a flag of build; did you mean --cache-from?"),
        (["--seed", "s"], "--seed is not a flag of build; did you mean --nats-nkey-seed?"),
        (["--zzzzzz"], "--zzzzzz is not a flag of build"),
        (["--image"], "--image needs a value: --image REF"),
        (["--image", "--ssh-key", "k"], "--image needs a value: --image REF"),
        (["--image", "a", "--image=b"], "--image is given twice; it takes one value"),
        (["--no-cache=yes"], "--no-cache takes no value"),
        (["stray"], "'stray' is not a flag; build takes no other arguments"),
        (["--no-cache", "."], "'.' is not a flag; build takes no other arguments"),
        (["--build-arg", "TOKEN=", "hunter22"], "argument 3 is not a flag; build takes no other arguments"),
        (["-build-arg=TOKEN=hunter22"], "-build-arg is not a flag of build; did you mean --build-arg?"),
        (["--cpu", "0"], "--cpu must be a whole number from 1 to 256, not '0'"),
        (["--cpu", "257"], "--cpu must be a whole number from 1 to 256, not '257'"),
        (["--cpu", "nan"], "--cpu must be a whole number from 1 to 256, not 'nan'"),
        (["--cpu", "2.5"], "--cpu must be a whole number from 1 to 256, not '2.5'"),
        (["--memory-gb", "0.4"], "--memory-gb must be a number from 0.5 to 2048, not '0.4'"),
        (["--time-budget", "1441"], "--time-budget must be a whole number from 1 to 1440, not '1441'"),
        (["--time-budget", "1.5"], "--time-budget must be a whole number from 1 to 1440, not '1.5'"),
        (["--spawn-timeout=0"], "--spawn-timeout must be a whole number from 1 to 86400, not '0'"),
        (
            ["--compression", "ztsd"],
            "--compression must be one of gzip, zstd, estargz, not 'ztsd'; did you mean 'zstd'?"
        ),
        (["--label", "novalue"], "--label must be written as NAME=VALUE"),
        (["--build-arg", "=x"], "--build-arg must start with a name"),
        (["--build-arg", "A=1", "--build-arg", "A=2"], "--build-arg gives 'A' twice"),
    ])
    func refusals(arguments: [String], expected: String) {
        #expect(message(arguments) == expected)
    }

    @Test func boundsAreInclusive() throws {
        #expect(try options(["--cpu", "1"]).cpu == 1)
        #expect(try options(["--cpu", "256"]).cpu == 256)
        #expect(try options(["--memory-gb", "0.5"]).memoryGB == 0.5)
        #expect(try options(["--memory-gb", "2048"]).memoryGB == 2048)
        #expect(try options(["--time-budget", "1440"]).timeBudgetMinutes == 1440)
    }

    @Test func aFlagBeatsTheEnvironment() throws {
        let environment = ["BUILDKIT_WORKSPACE": "from-env", "BUILDKIT_ACTOR": "ada", "BUILDKIT_SSH_KEY": ""]
        let options = try options(["--workspace", "from-flag"], environment: environment)
        #expect(options.workspace == .init("from-flag", as: "--workspace"))
        #expect(options.actor == .init("ada", as: "BUILDKIT_ACTOR"))
        #expect(options.sshKey == nil)
    }

    @Test func aBadValueNamesTheVariableItCameBy() {
        #expect(
            message([], environment: ["BUILDKIT_SPAWN_TIMEOUT": "soon"])
                == "BUILDKIT_SPAWN_TIMEOUT must be a whole number from 1 to 86400, not 'soon'")
    }

    @Test func aLongWordIsNotRepeatedWhole() {
        let message = message(["--" + String(repeating: "s", count: 500)])
        #expect((message?.count ?? 1000) < 80)
    }

    @Test func repeatableFlagsKeepTheirOrder() throws {
        #expect(try options(["--tag", "b", "--tag=a"]).tags == ["b", "a"])
    }

    @Test func everyFlagOfTheContractIsThere() {
        let contract = """
            --workspace --context --image --ssh-key --directives --import-path --dockerfile --cache-from --cache-to \
            --actor --language --platforms --runner-image --orchestrator-url --orchestrator-ca --spawn-timeout --nats-url \
            --nats-nkey-seed --nats-subject-prefix --nats-ca --cpu --memory-gb --time-budget --tag --target \
            --build-arg --label --no-cache --secret --build-context --attest --compression --known-hosts \
            --insecure-registry --metadata-file --report --progress --dry-run --volume --cache-export --help --version \
            --no-push --iidfile --annotation --pull --no-cache-filter --add-host --ulimit --shm-size --network --allow \
            --compression-level --call --emulate --output --load --ssh
            """.split(separator: " ").map(String.init)
        #expect(Set(CommandSyntax.build.flags.map(\.name)) == Set(contract))
        #expect(
            Set(CommandSyntax.integrate.flags.map(\.name)) == [
                "--nats-url", "--nats-nkey-seed", "--nats-subject-prefix", "--nats-ca", "--orchestrator-url",
                "--orchestrator-ca", "--help", "--version",
            ])
    }

    /// The help that comes first is one that can be read: the rest is a line that says how to see it.
    @Test func theShortHelpNamesWhatMostNeed() {
        let page = HelpPage.page(for: .build)
        let all = HelpPage.page(for: .build, all: true)
        for flag in CommandSyntax.build.groups.flatMap(\.common) { #expect(page.contains(" \(flag.name)")) }
        let further = CommandSyntax.build.groups.flatMap(\.further)
        for flag in further { #expect(!page.contains("  \(flag.name) ")) }
        #expect(page.contains("\n\(further.count) more flags: lian-build build --help all\n"))
        #expect(!all.contains("more flags:"))
        #expect(page.count(where: \.isNewline) < 80)
        // A page that is whole says nothing of a rest.
        #expect(!HelpPage.page(for: .integrate).contains("more flags:"))
        #expect(CommandSyntax.integrate.wholeHelp == "lian-build integrate --help")
    }

    @Test(arguments: [
        (["--help"], false), (["-h"], false), (["--help", "--all"], false), (["all", "--help"], false),
        (["--help", "all"], true), (["-h", "all"], true), (["--help=all"], true),
        (["--image", "x", "-h", "all"], true),
    ])
    func allOfTheHelpIsAskedForByName(arguments: [String], all: Bool) {
        #expect(CommandSyntax.build.question(in: arguments) == .help)
        #expect(CommandSyntax.build.asksForAll(arguments) == all)
    }

    @Test func aFlagMayHaveAnotherName() throws {
        #expect(try options(["--file", "D"]).dockerfile?.value == "D")
        #expect(try options(["--file=D"]).dockerfile?.value == "D")
        #expect(message(["--file", "D", "--dockerfile=E"]) == "--dockerfile is given twice; it takes one value")
    }

    @Test(arguments: CommandSyntax.lianBuild.subcommands.map(\.name))
    func theHelpNamesEveryFlagAndStaysNarrow(name: String) throws {
        let subcommand = try #require(CommandSyntax.lianBuild.subcommand(named: name))
        let page = HelpPage.page(for: subcommand, all: true)
        for flag in subcommand.flags {
            #expect(page.contains(" \(flag.name)"))
            if let variable = flag.environment { #expect(page.contains("[\(variable)]")) }
        }
        #expect(page.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
}
