import LianCLI
import LianConfiguration
import LianFlags
import LianModel
import LianTestSupport

@testable import LianBuild

/// Command lines made of real flags, broken ones and values of all kinds, up to the merged request.
struct ArgumentFuzz {
    /// What stands where only secrets stand: it may be in no message.
    static let secret = "hunter22-s3same"

    private var random: SeededGenerator

    init(_ random: SeededGenerator) {
        self.random = random
    }

    mutating func run() throws {
        let arguments = self.arguments()
        let environment = self.environment()
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(arguments, for: .build, environment: environment)
            let options = try BuildOptions(parsed)
            try build(options, environment)
        } catch {
            try check("\(error.message) \(error.hint)", arguments)
            guard !error.message.isEmpty, !error.hint.isEmpty, error.code.exitStatus == 2 else {
                throw FuzzFailure(description: "\(arguments) gave \(error)")
            }
        }
        // The other subcommand reads the same words.
        do throws(LianError) {
            _ = try ArgumentParser.parse(arguments, for: .integrate, environment: environment)
        } catch {
            try check("\(error.message) \(error.hint)", arguments)
        }
    }

    private func build(_ options: BuildOptions, _ environment: [String: String]) throws(LianError) {
        var builder = RequestBuilder(options: options, environment: environment, workingFolder: WorkingFolder("/"))
        do {
            let request = try builder.build(directives: nil)
            for warning in request.warnings where warning.message.contains(Self.secret) {
                throw FuzzFailure(description: "the warning \(warning)")
            }
            for artifact in request.artifacts {
                let command = BuildctlCommand(
                    artifact: artifact, registry: request.registry,
                    folders: .init(context: "/c", extraContexts: [:], run: "/r"), address: nil, progress: .plain,
                    exportsAllStages: true)
                // The values apart, what is shown is what is run.
                guard command.arguments.count == command.redactedArguments.count,
                    !command.redactedArguments.contains(where: { $0.contains(Self.secret) })
                else { throw FuzzFailure(description: "\(command.redactedArguments)") }
            }
        } catch let error as LianError {
            throw error
        } catch {
            throw LianError(.internalError, .arguments, "\(error)", hint: "")
        }
    }

    private func check(_ text: String, _ arguments: [String]) throws {
        guard !text.contains(Self.secret) else {
            throw FuzzFailure(description: "\(arguments) repeats the secret: \(text)")
        }
    }

    private mutating func environment() -> [String: String] {
        var environment: [String: String] = [:]
        for flag in CommandSyntax.build.flags {
            if let variable = flag.environment, random.oneIn(8) { environment[variable] = value(for: flag.name) }
        }
        if random.oneIn(4) { environment["ORCHESTRATOR_TOKEN"] = Self.secret }
        if random.oneIn(4) { environment["A"] = Self.secret }
        return environment
    }

    private mutating func arguments() -> [String] {
        var groups: [[String]] = []
        if !random.oneIn(4) {
            groups = [
                ["--workspace", "acme"], ["--context", "/"], ["--image=reg.example/a/b:1"], ["--ssh-key", "ephemeral"],
            ]
        }
        // A flag without its value takes the next word for it, and what it takes may be shown: where there is one, no
        // misspelt flag hands it a secret.
        let someLoseTheirValue = random.oneIn(2)
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let flag = random.pick(CommandSyntax.build.flags)
            let name = !someLoseTheirValue && random.oneIn(12) ? broken(flag.name) : flag.name
            switch Int.random(in: 0..<12, using: &random) {
            case 0 where someLoseTheirValue: groups.append([name])
            case 1: groups.append([random.oneIn(2) && !someLoseTheirValue ? Self.secret : soup()])
            case 2...6: groups.append(flag.takesValue ? [name, value(for: flag.name)] : [name])
            default: groups.append([flag.takesValue ? "\(name)=\(value(for: flag.name))" : name])
            }
        }
        if random.oneIn(3) { groups.shuffle(using: &random) }
        return Array(groups.joined())
    }

    private mutating func broken(_ name: String) -> String {
        var letters = Array(name)
        letters.swapAt(
            Int.random(in: 0..<letters.count, using: &random), Int.random(in: 0..<letters.count, using: &random))
        return String(letters.dropLast(random.oneIn(2) ? 1 : 0))
    }

    private mutating func value(for name: String) -> String {
        let secret = Self.secret
        let stores = [
            "type=registry,ref=reg.example/a/ci/x:1,mode=max", "type=gha,scope=a", "type=gha,token=\(secret)",
            "type=s3,bucket=b,secret_access_key=\(secret)", "type=azblob,secret_access_key=\(secret),container=c",
            "type=\(secret)", "ref=\(secret)", "type=gha,scope=\(secret),scope=b", "type=registry,ref=\(secret)",
            "type=s3,bucket=b,", "type=gha,mode=\(secret)", "type=local,dest=/x", "type=gha,\"scope=a\"",
        ]
        let good: [String: [String]] = [
            "--workspace": ["acme", "a-b"],
            "--context": [
                "/", "/tmp", "https://h.example/a.git#b:c", "https://u:\(secret)@h/a.git", "ssh://\(secret)@h/a",
                "git@h:\(secret)", "https://\(secret)@h.example:99999/a",
            ], "--image": ["reg.example/a:1", "h:5000/a/b:2"],
            "--build-arg": ["A", "A=\(secret)", "B=", "A=\(secret)=\(secret)", "=\(secret)", "A-B=\(secret)"],
            "--label": ["a=b", "a.b/c=", "=x"], "--tag": ["reg.example/a:2"], "--target": ["final"],
            "--platforms": ["linux/amd64", "linux/amd64,linux/arm64/v8", ","],
            "--build-context": ["x=/", "x=docker-image://reg.example/a:1", "x=docker-image://u:p@h/a"],
            "--secret": [
                "id=a,env=A", "id=a,src=/x", "id=a", "id=a,value=\(secret)", secret, "id=\(secret)=", "\(secret)=a",
                "id=a,id=\(secret)", "id=a,type=\(secret)",
            ],
            "--annotation": ["a=b", "index:a=\"b\",c=d", "other:a=b", "a", "index[linux/amd64]:a=b"],
            "--no-cache-filter": ["a", "a,b", ","],
            "--add-host": ["a:10.0.0.7", "a=[::1]", "a:host-gateway", "a:1.2", ":"],
            "--ulimit": ["nofile=1:2", "nofile=2:1", "nofile=-1", "x=1"], "--shm-size": ["64m", "1", "0", "999999t"],
            "--network": ["none", "host", "default", "bridge"], "--allow": ["network.host", "device=a", "all"],
            "--compression-level": ["0", "9", "22", "23"], "--call": ["check", "outline", "targets", "lint"],
            "--attest": ["sbom", "provenance=max", "provenance=mode=min"], "--compression": ["zstd"],
            "--cache-from": ["reg.example/a/ci/x:1", "reg.example/a/dev/x:1"] + stores, "--actor": ["ada"],
            "--cache-to": ["reg.example/a/ci/x:1", "reg.example/a/dev/ada-acme/x:1", "type=inline"] + stores,
            "--volume": ["off", "on", "a-b", "ci/acme/x"], "--cache-export": ["always", "cold", "warm"],
            "--cpu": ["1", "256", "257", "-0", "99999999999999999999"],
            "--memory-gb": ["0.5", "1e3", "nan", "inf", "0x1p4"],
            "--time-budget": ["1", "1440"], "--spawn-timeout": ["1", "86401"],
            "--orchestrator-url": ["http://localhost:1", "https://u:\(secret)@h", "http://[::1]:70000", "http://["],
            "--nats-url": ["nats://a", "tls://a:4222", "nats://u:\(secret)@h", "tls://\(secret)@"],
            "--nats-nkey-seed": ["@/x", secret, "@"], "--nats-subject-prefix": ["a.b"], "--progress": ["tty"],
            "--insecure-registry": ["localhost", "h:5000"], "--report": ["r"], "--language": ["go"],
        ]
        if let words = good[name], !random.oneIn(4) { return random.pick(words) }
        return soup()
    }

    private mutating func soup() -> String {
        let alphabet = Array("ab1=,:/@-._[]%#é\u{301}\u{202E}\u{0}\n\t \"'\\{}😀")
        return String((0..<Int.random(in: 0...24, using: &random)).map { _ in random.pick(alphabet) })
    }
}
