import Foundation
import LianSystem
import LianTestSupport
import Testing

/// What the scripts make of the words of `swift test`.
@Suite struct TestOutputTests {
    private func read(_ script: String, _ output: String) async throws -> String {
        let result = try await run(
            Command(
                Project.root.appending(path: "scripts/lib/\(script)").path, [], environment: ["PATH": "/usr/bin:/bin"]),
            input: .bytes(Array(output.utf8)), deadline: .seconds(60))
        #expect(result.termination.isSuccess, "\(result.errorText)")
        return result.outputText
    }

    private static let passed = """
        ◇ Test run started.
        ↳ Testing Library Version: 6.3.1
        ◇ Suite First started.
        ◇ Test one() started.
        what it printed: error, among others
        ✔ Test one() passed after 0.001 seconds.
        ✔ Suite First passed after 0.002 seconds.

        """

    @Test func nothingIsSaidOfWhatPassed() async throws {
        let output = Self.passed + "✔ Test run with 1 test in 1 suite passed after 0.003 seconds.\n"
        #expect(try await read("failures", output) == "")
        #expect(try await read("skipped", output) == "")
    }

    /// A test that expects an issue passes with it.
    @Test func nothingIsSaidOfIssuesThatAreExpected() async throws {
        let output = """
            ◇ Test planted() started.
            ━ Test planted() recorded a known issue at A.swift:1:2: Expectation failed: a == b
            ↳ the comment
            ━ Test planted() passed after 0.1 seconds with 1 known issue.
            ━ Test run with 2 tests in 1 suite passed after 0.3 seconds with 1 known issue.

            """
        #expect(try await read("failures", Self.passed + output) == "")
    }

    @Test func anIssueIsShownWithWhatBelongsToIt() async throws {
        let output = """
            ◇ Test two(of:) started.
            ✘ Test two(of:) recorded an issue with 1 argument of → 7 at A.swift:1:2: Expectation failed: a == b
            ↳ the comment
            and its second line
            ◇ Test case passing 1 argument of → 8 to two(of:) started.
            noise
            ✘ Test two(of:) with 2 test cases failed after 0.1 seconds with 1 issue.
            ✘ Suite First failed after 0.2 seconds with 1 issue.
            ✘ Test run with 2 tests in 1 suite failed after 0.3 seconds with 1 issue.
            what the next run says first

            """
        #expect(
            try await read("failures", Self.passed + output) == """
                ✘ Test two(of:) recorded an issue with 1 argument of → 7 at A.swift:1:2: Expectation failed: a == b
                ↳ the comment
                and its second line
                ✘ Test run with 2 tests in 1 suite failed after 0.3 seconds with 1 issue.

                """)
    }

    @Test func aTrapIsShownWithWhatHadBegun() async throws {
        let output = """
            ◇ Test "row 7: a trap" started.
            Module/File.swift:3: Fatal error: Index out of range
            error: Exited with unexpected signal code 5

            """
        #expect(
            try await read("failures", Self.passed + output) == """
                Module/File.swift:3: Fatal error: Index out of range
                error: Exited with unexpected signal code 5
                broken off, 1 of its tests had begun and did not end
                  "row 7: a trap"

                """)
    }

    @Test func eachReasonToSkipIsSaidOnce() async throws {
        let output = """
            ➜ Suite Second skipped: "there is no rsync: apt-get install rsync"
            ➜ Test three() skipped: "there is no rsync: apt-get install rsync"
            ➜ Test "row 9: with \\"quotes\\"" skipped: "there is no rsync: apt-get install rsync"
            ➜ Test four() skipped: "it needs root: sudo scripts/test"

            """
        #expect(
            try await read("skipped", Self.passed + output) == """

                skipped:
                  1 test: it needs root: sudo scripts/test
                  2 tests of Second: there is no rsync: apt-get install rsync


                """)
    }

    @Test func ofWhatIsRunOnceMoreEachTestIsNamed() async throws {
        let results = """
            <testsuites>
              <testsuite name="TestResults" errors="0" tests="3" failures="2" skipped="0" time="0.1">
                <testcase classname="ATests.First" name="one()" time="0.1" />
                <testcase classname="ATests.First" name="two(of:)" time="0.1">
                  <failure message="Expectation failed: a == &quot;b&quot;" />
                  <failure message="Expectation failed: c" />
                </testcase>
                <testcase classname="ATests.Outer.Second" name="three()" time="0.1">
                  <failure message="Caught error: d" />
                </testcase>
              </testsuite>
            </testsuites>

            """
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "results.xml")
            try results.write(to: file, atomically: true, encoding: .utf8)
            let script = Project.root.appending(path: "scripts/lib/failed_tests").path
            let environment = ["PATH": "/usr/bin:/bin"]
            let named = try await run(
                Command(script, [file.path], environment: environment), deadline: .seconds(60))
            #expect(named.outputText == "^(ATests[./]First/two\\(|ATests[./]Outer[./]Second/three\\()\n")
            // After a crash there are no results.
            let missing = try await run(
                Command(script, [folder.appending(path: "none.xml").path], environment: environment),
                deadline: .seconds(60))
            #expect(!missing.termination.isSuccess && missing.outputText.isEmpty)
        }
    }
}
