import LianFlags
import LianModel
import LianOrchestrator
import Testing

@Suite struct OptionsTests {
    @Test func everyFlagIsRead() throws {
        let options = try Options([
            "--state", "/s", "--listen=[::1]:0", "--token-file", "/t", "--engine=dockerd", "--capacity", "3",
            "--on-stop", "keep", "--log=text", "--tls-certificate", "/c", "--tls-key=/k", "--insecure-http",
        ])
        var expected = Options()
        expected.state = "/s"
        expected.listen = ListenAddress(host: "::1", port: 0)
        expected.tokenFile = "/t"
        expected.tls = TLSConfig(certificate: "/c", key: .file("/k"))
        expected.allowsInsecureHTTP = true
        expected.providers = [ProviderPlan(name: "local", .here(.dockerd))]
        expected.capacity = 3
        expected.onStop = .keep
        expected.log = .text
        #expect(options == expected)
        #expect(try Options([]) == Options())
        #expect(Options().listen.text == "127.0.0.1:9011")
    }

    @Test(arguments: [
        ("--sweep", Options.Action.sweep), ("--help", .help), ("-h", .help), ("--version", .version), ("-v", .version),
        ("--completions=fish", .completions(.fish)), ("--check", .check), ("--new-token", .newToken),
        ("--hash-token", .hashToken), ("--try=far", .tryOut("far")),
    ])
    func actions(_ flag: String, _ action: Options.Action) throws {
        #expect(try Options([flag]).action == action)
    }

    @Test(arguments: [
        (["--capcity", "3"], "--capcity is not a flag of lian-orchestrator; did you mean --capacity?"),
        (["--zzz"], "--zzz is not a flag of lian-orchestrator"),
        (["serve"], "'serve' is not a flag; lian-orchestrator takes no other arguments"),
        (["--capacity"], "--capacity needs a value: --capacity N"),
        (["--state="], "--state must name a file"),
        (["--capacity", "0"], "--capacity must be a whole number from 1 to 10000, not '0'"),
        (
            ["--engine", "dokcerd"],
            "--engine must be one of auto, buildkit, dockerd, docker, not 'dokcerd'; did you mean 'dockerd'?"
        ),
        (
            ["--listen", "9011"],
            "--listen must be an address in digits and a port, like 127.0.0.1:9011 or [::1]:0, not '9011'"
        ),
        (
            ["--listen", "localhost:9099"],
            "--listen must be an address in digits and a port, like 127.0.0.1:9011 or [::1]:0, not 'localhost:9099'"
        ),
        (["--tls-key", "/k"], "--tls-key needs its certificate too: --tls-certificate FILE"),
        (["--tls-certificate", "/c"], "--tls-certificate needs the certificate's key too: --tls-key FILE"),
        (["--state", "/a", "--state", "/b"], "--state is given twice; it takes one value"),
        (["--sweep=1"], "--sweep takes no value"),
        (["--check", "--sweep"], "--sweep and --check exclude each other"),
    ])
    func mistakesAreNamed(_ arguments: [String], _ message: String) {
        let problem = #expect(throws: LianError.self) { try Options(arguments) }
        #expect(problem?.message == message)
        #expect(problem?.hint.contains("lian-orchestrator") == true || problem?.hint.contains("=VALUE") == true)
    }

    /// Tokens of other machines do not go over a network in clear, unless it is said that they do not.
    @Test(arguments: ["0.0.0.0:9011", "[::]:9011", "192.0.2.1:0"])
    func plainHTTPIsForThisMachineAlone(_ address: String) throws {
        let problem = #expect(throws: LianError.self) { try Options(["--listen", address]) }
        for mend in ["--tls-certificate", "--tls-key", "--insecure-http"] {
            #expect(problem?.message.contains(mend) == true)
        }
        for way in [["--insecure-http"], ["--tls-certificate", "c", "--tls-key", "k"], ["--sweep"]] {
            #expect(try Options(["--listen", address] + way).listen.text == address)
        }
        for address in ["127.0.0.1:0", "127.8.0.1:1", "[::1]:9011"] {
            #expect(try Options(["--listen", address]).listen.text == address)
        }
    }

    @Test func plainHTTPOfAConfigurationIsToldAtItsField() throws {
        let file = try OrchestratorConfig(JSONNode(["listen": "0.0.0.0:9011"]))
        let problem = #expect(throws: LianError.self) {
            try Options(["--config", "team.ncl"], configuredBy: file, in: "/etc")
        }
        #expect(problem?.message.hasPrefix("team.ncl: listen: would serve plain HTTP") == true)
        #expect(problem?.message.contains("--") == false && problem?.message.contains("insecure_http = true") == true)
    }

    @Test func theHelpKnowsEveryWordAndEnd() throws {
        let volumes = try #require(CommandSyntax.lianOrchestrator.flags.first { $0.name == "--volumes" })
        for word in VolumesChoice.allCases { #expect(volumes.help.contains(word.rawValue)) }
        #expect(CommandSyntax.lianOrchestrator.exits.contains { $0.name.hasPrefix("128") })
    }
}
