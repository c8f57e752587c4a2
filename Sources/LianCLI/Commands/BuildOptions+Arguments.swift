import LianBuild
import LianFlags
import LianModel

extension BuildOptions {
    /// Takes the words of the flags apart; every refusal names the flag or the variable that it came by.
    package init(_ arguments: ParsedArguments) throws(LianError) {
        self.init()
        let reader = ArgumentReader(arguments)
        workspace = reader.given("--workspace")
        context = reader.given("--context")
        image = reader.given("--image")
        directives = try reader.path("--directives")
        importPaths = arguments.all("--import-path")
        dockerfile = reader.given("--dockerfile")
        target = arguments.value("--target")
        buildArguments = try reader.keyValues("--build-arg", valueRequired: false)
        labels = try reader.keyValues("--label", valueRequired: true)
        tags = arguments.all("--tag")
        platforms = reader.given("--platforms")
        emulation = try reader.choice("--emulate")
        buildContexts = try reader.keyValues("--build-context", valueRequired: true)
        secrets = arguments.all("--secret")
        agents = arguments.all("--ssh")
        attestations = arguments.all("--attest")
        compression = try reader.choice("--compression")
        compressionLevel = try reader.integer("--compression-level", in: LayerCompression.levels)
        annotations = try reader.keyValues("--annotation", valueRequired: true)
        noPush = arguments.has("--no-push")
        outputs = arguments.all("--output")
        loads = arguments.has("--load")
        call = try reader.choice("--call")
        noCache = arguments.has("--no-cache")
        noCacheFilters = arguments.all("--no-cache-filter")
        pull = arguments.has("--pull")
        addedHosts = arguments.all("--add-host")
        ulimits = arguments.all("--ulimit")
        sharedMemory = reader.given("--shm-size")
        network = try reader.choice("--network")
        entitlements = arguments.all("--allow")
        cacheFrom = arguments.all("--cache-from")
        cacheTo = arguments.all("--cache-to")
        actor = reader.given("--actor")
        volume = reader.given("--volume")
        cacheExport = try reader.choice("--cache-export") ?? cacheExport
        cpu = try reader.integer("--cpu", in: SizeBounds.cpu)
        memoryGB = try reader.number("--memory-gb", in: SizeBounds.memoryGB)
        timeBudgetMinutes = try reader.integer("--time-budget", in: SizeBounds.timeBudgetMinutes)
        language = reader.given("--language")
        runnerImage = reader.given("--runner-image")
        orchestratorURL = reader.given("--orchestrator-url")
        orchestratorCA = reader.given("--orchestrator-ca")
        spawnTimeoutSeconds = try reader.integer("--spawn-timeout", in: 1...86400) ?? spawnTimeoutSeconds
        sshKey = reader.given("--ssh-key")
        knownHosts = try reader.path("--known-hosts")
        insecureRegistries = arguments.all("--insecure-registry")
        events = try EventOptions(reader)
        metadataFile = try reader.path("--metadata-file")
        imageIDFile = try reader.path("--iidfile")
        report = try reader.path("--report")
        dryRun = arguments.has("--dry-run")
    }
}

extension EventOptions {
    package init(_ reader: ArgumentReader) throws(LianError) {
        self.init()
        url = reader.given("--nats-url")
        seed = reader.given("--nats-nkey-seed")
        subjectPrefix = reader.given("--nats-subject-prefix")
        caFile = try reader.path("--nats-ca")
    }
}

extension ArgumentReader {
    package func given(_ name: String) -> BuildOptions.Given? {
        arguments.value(name).map { BuildOptions.Given($0, as: arguments.displayName(name)) }
    }

    package func keyValues(_ name: String, valueRequired: Bool) throws(LianError) -> [KeyValue] {
        var pairs: [KeyValue] = []
        for text in arguments.all(name) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(parts[0])
            guard !key.isEmpty, parts.count == 2 || !valueRequired else {
                throw refusal(name, valueRequired ? "must be written as NAME=VALUE" : "must start with a name")
            }
            guard !pairs.contains(where: { $0.key == key }) else { throw refusal(name, "gives '\(key)' twice") }
            pairs.append(KeyValue(key: key, value: parts.count == 2 ? String(parts[1]) : nil))
        }
        return pairs
    }
}
