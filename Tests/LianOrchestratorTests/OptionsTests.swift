import LianOrchestrator
import Testing

@Suite struct OptionsTests {
    @Test func everyFlagIsRead() throws {
        let options = try Options([
            "--state", "/s", "--listen=[::1]:0", "--token-file", "/t", "--engine=dockerd", "--capacity", "3",
            "--on-stop", "keep", "--log=text",
        ])
        var expected = Options()
        expected.state = "/s"
        expected.listen = ListenAddress(host: "::1", port: 0)
        expected.tokenFile = "/t"
        expected.engine = .dockerd
        expected.capacity = 3
        expected.onStop = .keep
        expected.log = .text
        #expect(options == expected)
        #expect(try Options([]) == Options())
        #expect(Options().listen.text == "127.0.0.1:9011")
    }

    @Test(arguments: [("--sweep", Options.Action.sweep), ("--help", .help), ("-h", .help), ("--version", .version)])
    func actions(_ flag: String, _ action: Options.Action) throws {
        #expect(try Options([flag]).action == action)
    }

    @Test(arguments: [
        (["--capcity", "3"], "unknown flag --capcity; did you mean --capacity?"),
        (["--zzz"], "unknown flag --zzz"),
        (["serve"], "unexpected argument 'serve'"),
        (["--capacity"], "--capacity needs a value"),
        (["--state="], "--state needs a value"),
        (["--capacity", "0"], "--capacity wants a number from 1 to 10000, not '0'"),
        (
            ["--engine", "dokcerd"],
            "--engine wants one of auto, buildkit, dockerd, docker, not 'dokcerd'; did you mean dockerd?"
        ),
        (["--listen", "9011"], "--listen wants an address in digits and a port, 127.0.0.1:9011, not '9011'"),
        (["--state", "/a", "--state", "/b"], "--state is given twice"),
        (["--sweep=1"], "--sweep takes no value"),
    ])
    func mistakesAreNamed(_ arguments: [String], _ message: String) {
        let problem = #expect(throws: Options.Problem.self) { try Options(arguments) }
        #expect(problem?.description == message)
    }

    @Test func helpNamesEveryFlag() {
        for flag in ["--listen", "--state", "--token-file", "--engine", "--capacity", "--on-stop", "--log", "--sweep"] {
            #expect(Options.help.contains("  \(flag) ") || Options.help.contains("  \(flag)\n"))
        }
    }
}
