import LianBuildKit
import LianTestSupport
import Testing

private func trouble(_ log: String) -> RegistryTrouble? {
    var reader = BuildLogReader()
    _ = reader.read(Array(log.utf8))
    _ = reader.finish()
    return reader.signs.registryTrouble
}

@Suite struct RegistryTroubleTests {
    @Test(arguments: [
        "error: failed to solve: failed to push reg.example/a:1: unexpected status: 503 Service Unavailable",
        "error: failed to solve: failed to push reg.example/a:1: failed to do request: Head \"http://reg.example/v2/\": EOF",
        "error: failed to solve: failed to push reg.example/a:1: unexpected status from POST request to http://reg.example/v2/a/blobs/uploads/: 502 Bad Gateway",
        "error: failed to solve: reg.example/a:1: failed to resolve source metadata for reg.example/a:1: unexpected status from HEAD request to http://reg.example/v2/a/manifests/1: 429 Too Many Requests",
        "error: failed to solve: rpc error: code = Unavailable desc = failed to resolve source metadata for reg.example/a:1: unexpected status code [manifests 1]: 500 Internal Server Error",
        "error: failed to solve: failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://reg.example/v2/\": read tcp 10.0.0.1:2->10.0.0.3:443: read: connection reset by peer",
        "error: failed to solve: failed to authorize: failed to fetch anonymous token: Get \"https://auth.example/\": net/http: TLS handshake timeout",
        "error: failed to solve: failed to push 127.0.0.1:1/a:1: received unexpected HTTP status: 503 Service Unavailable",
        "error: failed to solve: failed to push 127.0.0.1:1/a:1: error parsing HTTP 429 response body: unexpected end of JSON input: \"\"",
        "error: failed to solve: a: failed to resolve source metadata for a: toomanyrequests: You have reached your pull rate limit.",
    ])
    func isWorthAnotherTry(log: String) {
        #expect(trouble(log) != nil)
        #expect(trouble(log)?.pause == nil)
    }

    @Test(arguments: [
        "", "error: failed to solve: failed to push reg.example/a:1: unexpected status: 401 Unauthorized",
        "error: failed to solve: failed to push reg.example/a:1: unexpected status: 403 Forbidden",
        "error: failed to solve: reg.example/a:1: failed to resolve source metadata for reg.example/a:1: reg.example/a:1: not found",
        "error: failed to solve: failed to push reg.example:503/a:500: denied: requested access to the resource is denied",
        "error: failed to solve: process \"/bin/sh -c echo unexpected status: 503\" did not complete successfully: exit code: 1",
        "#5 ERROR: failed to resolve source metadata for reg.example/a:1: unexpected status: 503 Service Unavailable\nerror: failed to solve: process \"make\" did not complete successfully: exit code: 1",
        "#5 0.1 error: failed to push a: unexpected status: 503 Service Unavailable",
        "error: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 500",
        "error: failed to solve: Unavailable: error reading from server: EOF", CapturedLogs.failingStep,
        CapturedLogs.daemonKilled, CapturedLogs.missingFile,
    ])
    func isNot(log: String) {
        #expect(trouble(log) == nil)
    }

    @Test(arguments: [
        ("149.479µs", 0.000149479), ("1m30s", 90), ("2", 2), ("1h", 3600), ("1.5s", 1.5),
    ])
    func theRegistrysOwnPause(words: String, seconds: Double) {
        let log =
            "error: failed to solve: failed to push reg.example/a:1: toomanyrequests: retry-after: \(words), allowed: 44000/minute"
        #expect(trouble(log)?.pause == .seconds(seconds))
    }

    @Test(arguments: ["soon", "", "-1s", "1y", "99999999999s"])
    func aPauseThatIsNone(words: String) {
        #expect(trouble("error: toomanyrequests: retry-after: \(words), allowed: 1")?.pause == nil)
    }
}
