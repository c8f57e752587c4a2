import LianBuildKit
import LianModel
import LianTestSupport
import Testing

private func signs(_ log: String) -> BuildErrorSigns {
    var reader = BuildLogReader()
    _ = reader.read(Array(log.utf8))
    _ = reader.finish()
    return reader.signs
}

private func reason(_ log: String, exit: Int32 = 1, kills: Int? = 0, endedByUs: Bool = false) -> OOMVerdict.Reason? {
    OOMVerdict(exitStatus: exit, signs: signs(log), kernelOOMKills: kills, endedByUs: endedByUs)?.reason
}

@Suite struct OOMVerdictTests {
    @Test(
        arguments: [
            // Before 0.11, and on cgroup version 1.
            ("executor failed running [/bin/sh -c make]: exit code: 137", .exit137),
            (
                "error: failed to solve: rpc error: code = Unknown desc = executor failed running [/bin/sh -c x]: exit code: 137",
                .exit137
            ),
            (CapturedLogs.outOfMemory, .exit137),
            // Up to 0.15.
            ("#5 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 137", .exit137),
            (
                "error: failed to solve: process \"/bin/sh -c make \\\"x\\\"\" did not complete successfully: exit code: 137",
                .exit137
            ),
            // From 0.16 on.
            (
                "error: failed to solve: process \"/bin/sh -c make\" did not complete successfully: cannot allocate memory",
                .text
            ),
            (
                "error: failed to solve: ResourceExhausted: process \"/bin/sh -c make\" did not complete successfully: cannot allocate memory",
                .text
            ),
            // The shell that ran the client says so of it.
            ("Killed", .text), ("sh: line 1: 4711 Killed  buildctl build", .text), ("container state: OOM", .text),
        ] as [(String, OOMVerdict.Reason)])
    func isOutOfMemory(log: String, expected: OOMVerdict.Reason) {
        #expect(reason(log) == expected)
        // Only a failed build can be, and not one that we ended.
        #expect(reason(log, exit: 0) == nil)
        #expect(reason(log, endedByUs: true) == nil)
        #expect(reason(log, exit: 137, kills: 1, endedByUs: true) == nil)
    }

    @Test(arguments: [
        "", "error: failed to solve: ResourceExhausted: grpc: received message larger than max (5 vs. 4)",
        "#7 0.123 Killed\n#7 0.123 exit code: 137\n#7 0.1 cannot allocate memory\n#7 0.1 OOM",
        "#7 [2/2] RUN echo Killed OOM exit code: 137\n#7 DONE 0.1s",
        "error: failed to solve: process \"/bin/sh -c echo Killed OOM; cannot allocate memory exit code: 137\" did not complete successfully: exit code: 1",
        "error: process \"a \\\"Killed\\\" OOM\" did not complete successfully: exit code: 1370",
        "executor failed running [/bin/sh -c echo Killed; echo ]: exit code: 137; exit 3]: exit code: 3",
        "error: failed to solve: \"/Killed\": not found", "error: OOMPH, unKilled, Killed_by, room",
        "error: failed to solve: process \"x\" did not complete successfully: exit code: 13",
        "------\n > [2/2] RUN x:\n0.1 Killed\n0.2 cannot allocate memory\n------",
        "Dockerfile:1\n--------------------\n   1 | >>> RUN echo Killed\n--------------------",
        "error: failed to solve: rpc error: code = Unavailable desc = error reading from server: EOF",
        CapturedLogs.failingStep, CapturedLogs.commandOverLines, CapturedLogs.cold, CapturedLogs.missingFile,
        CapturedLogs.daemonKilled,
    ])
    func isNotOutOfMemory(log: String) {
        #expect(reason(log) == nil)
        #expect(reason(log, kills: nil) == nil)
        // The kernel's count decides where nothing else does.
        #expect(reason(log, kills: 1) == .kernel)
    }

    @Test func exitStatusAloneIsEnough() {
        #expect(reason("", exit: 137) == .exit137)
        #expect(reason("", exit: 143) == nil)
    }

    @Test func jsonIsTheContracts() {
        let verdict = OOMVerdict(reason: .exit137, kernelOOMKills: nil)
        #expect(verdict.json.encoded() == #"{"kernel_oom_kills":null,"reason":"exit_137"}"#)
    }

    @Test(arguments: [
        "error: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
        "error: failed to solve: Unavailable: error reading from server: EOF",
        "error: listing workers for Build: failed to list workers: Unavailable: connection error: desc = \"transport: Error while dialing: dial unix /run/buildkit/buildkitd.sock: connect: no such file or directory\"",
        "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?",
        CapturedLogs.daemonKilled,
    ])
    func engineIsLost(log: String) {
        #expect(signs(log).engineLost)
    }

    @Test(arguments: [
        ("error: failed to solve: failed to copy files: copy file range failed: no space left on device", true),
        ("#5 ERROR: write /var/lib/docker/overlay2/a/diff/b: no space left on device", true),
        ("#5 0.1 dd: writing '/a': No space left on device", false),
        ("error: process \"echo no space left on device\" did not complete successfully: exit code: 1", false),
        ("error: failed to solve: failed to push reg.example/a:1: unknown: write: no space left on device", false),
    ])
    func theEnginesDiskIsFull(log: String, expected: Bool) {
        #expect(signs(log).diskFull == expected)
    }

    @Test(arguments: [
        "error: failed to solve: failed to push reg.example/a:1: unexpected status: 503 Service Unavailable",
        "error: failed to solve: failed to push reg.example/a:1: failed to do request: Head \"http://reg.example/v2/\": EOF",
    ])
    func registrysTroubleIsAPushThatFailed(log: String) {
        #expect(signs(log).pushFailed)
        #expect(!signs(log).engineLost)
    }

    @Test(
        arguments: [
            (KernelOOMCounts(scope: .cgroup2, oomKills: 1), KernelOOMCounts(scope: .cgroup2, oomKills: 3), 2),
            (KernelOOMCounts(scope: .machine, oomKills: 5), KernelOOMCounts(scope: .machine, oomKills: 5), 0),
            // Another runner's kill: our limit was not hit.
            (
                KernelOOMCounts(scope: .cgroup1, oomKills: 1, limitHits: 7),
                KernelOOMCounts(scope: .cgroup1, oomKills: 2, limitHits: 7), 0
            ),
            (
                KernelOOMCounts(scope: .cgroup1, oomKills: 1, limitHits: 7),
                KernelOOMCounts(scope: .cgroup1, oomKills: 2, limitHits: 9), 1
            ),
            (KernelOOMCounts(scope: .cgroup1, oomKills: 1), KernelOOMCounts(scope: .cgroup1, oomKills: 2), nil),
            (KernelOOMCounts(scope: .cgroup2, oomKills: nil), KernelOOMCounts(scope: .cgroup2, oomKills: 2), nil),
            (KernelOOMCounts(scope: .cgroup2, oomKills: 1), KernelOOMCounts(scope: .machine, oomKills: 2), nil),
            // Began anew: another machine.
            (KernelOOMCounts(scope: .machine, oomKills: 4), KernelOOMCounts(scope: .machine, oomKills: 2), nil),
        ] as [(KernelOOMCounts, KernelOOMCounts, Int?)])
    func killsAreCounted(before: KernelOOMCounts, after: KernelOOMCounts, kills: Int?) {
        #expect(KernelOOMCounts.kills(from: before, to: after) == kills)
    }
}
