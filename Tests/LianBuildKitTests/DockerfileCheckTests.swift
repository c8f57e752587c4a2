import LianModel
import Testing

@testable import LianBuildKit

/// What BuildKit's check prints, as BuildKit 0.32 printed it.
@Suite struct DockerfileCheckTests {
    private static let printed = """

        WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
        'as' and 'FROM' keywords' casing do not match
        Dockerfile:4
        --------------------
           2 |     ARG version=1
           3 |     COPY Dockerfile /a
           4 | >>> FROM base as final
           5 |     # WARNING: no finding
        --------------------

        WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
        JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
        sub/a:b.Dockerfile:6
        --------------------
           6 | >>> CMD echo hi
        --------------------

        """

    private func findings(_ text: String) -> [CheckFinding] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return DockerfileCheck(lines, artifact: "app").findings
    }

    @Test func findingsWithTheirPlaces() {
        let rules = "https://docs.docker.com/go/dockerfile/rule/"
        #expect(
            findings(Self.printed) == [
                CheckFinding(
                    artifact: "app", rule: "FromAsCasing", place: .init(file: "Dockerfile", line: 4),
                    message: "'as' and 'FROM' keywords' casing do not match", url: rules + "from-as-casing/"),
                CheckFinding(
                    artifact: "app", rule: "JSONArgsRecommended", place: .init(file: "sub/a:b.Dockerfile", line: 6),
                    message: "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
                    url: rules + "json-args-recommended/"),
            ])
    }

    @Test func whatIsNotWholeIsTakenAsFarAsItGoes() {
        #expect(findings("").isEmpty && findings("no findings\n").isEmpty)
        #expect(findings("WARNING: A") == [CheckFinding(artifact: "app", rule: "A", message: "")])
        #expect(
            findings("WARNING: A\nsays: 3\nmore\nWARNING: B - u\nx:y\n-----") == [
                CheckFinding(artifact: "app", rule: "A", message: "says: 3 more"),
                CheckFinding(artifact: "app", rule: "B", message: "x:y -----", url: "u"),
            ])
        #expect(findings(String(repeating: "WARNING: A\n", count: 5000)).count == 1000)
        #expect(findings("WARNING: A\nf:99999999999999999999\n-----")[0].place == nil)
    }
}
