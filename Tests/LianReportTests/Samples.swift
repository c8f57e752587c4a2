import LianBuildKit
import LianModel
import LianReport

/// Records as builds leave them.
enum Sample {
    static let small = Sizing(
        source: .p95, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")
    static let large = Sizing(
        source: .p95, size: RunnerSize(cpu: 4, memoryGB: 8), timeBudgetMinutes: 30, tier: "cx32")
    static let digest = "sha256:" + String(repeating: "5f1c09ab", count: 8)

    /// One image, built at the first try.
    static func succeeded() -> BuildRecord {
        var record = BuildRecord(begun: UTCTime(milliseconds: 1_790_000_000_000), envelope: envelope(.succeeded))
        record.envelope.attempts = [
            AttemptResult(number: 1, tier: "cx22", outcome: .succeeded, exitCode: 0, durationMS: 41_000, oom: nil)
        ]
        record.phases = phases(attempt: 1, from: 12, build: 38_000)
        record.attempts = [attempt(1, small, from: 12, steps: steps(of: "app", from: 2000), seconds: 38)]
        record.largest = [
            Plan.LargePath(path: "assets/film.webm", bytes: 6_291_456),
            Plan.LargePath(path: "vendor/modules.tar", bytes: 2_097_152),
            Plan.LargePath(path: "go.sum", bytes: 98_304),
        ]
        record.nextSize = .sized(
            large, UsageHistory(workspace: "acme", samples: 41, cpuP95: 2.9, memoryMBP95: 5200))
        return record
    }

    /// Out of memory on the first runner, built on the second.
    static func retried() -> BuildRecord {
        var record = succeeded()
        record.envelope.sizing = large
        record.envelope.attempts = [
            AttemptResult(
                number: 1, tier: "cx22", outcome: .oom, exitCode: 1, durationMS: 21_000,
                oom: OOMVerdict(reason: .exit137, kernelOOMKills: 1)),
            AttemptResult(number: 2, tier: "cx32", outcome: .succeeded, exitCode: 0, durationMS: 40_000, oom: nil),
        ]
        record.envelope.timings?.total = 62_000
        var first = attempt(1, small, from: 12, steps: steps(of: "app", from: 2000), seconds: 18, growing: 230)
        first.steps = first.steps.filter { $0.start < 16_000 }
        first.steps[first.steps.count - 1].state = .failed
        first.steps[first.steps.count - 1].duration = 4000
        first.outOfMemoryAt = 19_900
        let second = attempt(2, large, from: 21_400, steps: steps(of: "app", from: 23_000), seconds: 38, growing: 190)
        record.attempts = [first, second]
        record.phases = phases(attempt: 1, from: 12, build: 18_000) + phases(attempt: 2, from: 21_400, build: 38_000)
        record.phases.remove(at: 6)
        return record
    }

    /// Nothing was spawned.
    static func beforeSpawn() -> BuildRecord {
        var envelope = ResultEnvelope(status: .failed)
        envelope.workspace = "acme"
        envelope.error = LianError(
            .dockerfileMissing, .resolve, "there is no Dockerfile in /srv/acme", hint: "Name it with --dockerfile.")
        envelope.timings = Timings()
        envelope.timings?.total = 9
        var record = BuildRecord(begun: UTCTime(milliseconds: 1_790_000_000_000), envelope: envelope)
        record.phases = [PhaseSpan(.resolve, attempt: nil, start: 0, end: 9)]
        return record
    }

    /// Three images on one runner, one of which failed and one of which depended on that.
    static func several() -> BuildRecord {
        var record = succeeded()
        var artifacts = ["base", "api", "web"].map { name in
            ArtifactResult(
                name: name, image: "reg.example/acme/\(name):1", tags: [], platforms: ["linux/amd64"],
                status: .succeeded)
        }
        artifacts[0].digest = digest
        artifacts[0].steps = StepCount(total: 4, cached: 1)
        artifacts[0].durationMS = 20_000
        artifacts[1].status = .failed
        artifacts[2].status = .skipped
        record.envelope.artifacts = artifacts
        record.envelope.status = .failed
        record.envelope.error = LianError(
            .buildFailed, .build, "api: the step [3/3] RUN make test failed (Dockerfile:7)",
            hint: "The lines above are its last; the whole log is on stderr.",
            logTail: ["go: downloading modules", "--- FAIL: TestServe (0.01s)", "exit status 1"])
        record.envelope.attempts[0].outcome = .failed
        var failing = steps(of: "api", from: 22_000)
        failing[failing.count - 1].state = .failed
        record.attempts[0].steps = steps(of: "base", from: 2000) + failing
        return record
    }

    /// Markup, quotes and escape sequences wherever words of others stand.
    static func hostile() -> BuildRecord {
        let evil =
            "<script>alert(1)</script><img src=x> \" onmouseover=\"alert(2) ' onmouseover='alert(3) &amp; \u{1B}[2J"
        var record = several()
        record.begun = UTCTime(milliseconds: 0)
        let sizing = Sizing(source: .explicit, size: small.size, timeBudgetMinutes: 1, tier: evil)
        record.envelope.buildID = evil
        record.envelope.workspace = evil
        record.envelope.actor = evil
        record.envelope.sizing = sizing
        record.envelope.runner = RunnerResult(id: evil, provider: evil, tier: evil, destroyed: false)
        record.envelope.artifacts = (0..<2).map { _ in
            var artifact = ArtifactResult(name: evil, image: evil, tags: [evil], platforms: [evil], status: .failed)
            artifact.digest = evil
            return artifact
        }
        record.envelope.cache = CacheResult(from: [evil], to: [evil])
        record.envelope.volume = VolumeResult(name: nil, state: .cold, reason: evil)
        record.envelope.warnings = [BuildWarning(.tokenInClear, evil)]
        record.envelope.error = LianError(.buildFailed, .build, evil, hint: evil, logTail: [evil, evil])
        record.attempts[0].sizing = sizing
        record.attempts.append(record.attempts[0])
        record.attempts[1].number = 2
        for index in record.attempts[0].steps.indices {
            record.attempts[0].steps[index].name = index % 2 == 0 ? evil : "[\(evil) 1/2] \(evil)"
            record.attempts[0].steps[index].artifact = evil
        }
        record.largest = [Plan.LargePath(path: evil, bytes: 5)]
        record.nextSize = .unknown(reason: evil)
        return record
    }

    /// More of everything than a page can show.
    static func huge(name: String) -> BuildRecord {
        var record = several()
        record.envelope.artifacts = (0..<350).map { index in
            ArtifactResult(
                name: "image-\(index)", image: "reg.example/acme/image-\(index):1", tags: [], platforms: [],
                status: .succeeded)
        }
        record.envelope.warnings = (0..<500).map { BuildWarning(.contextEnvFile, "warning \($0)") }
        record.attempts[0].steps = (0..<5000).map { index in
            StepRecord(
                artifact: "image-\(index / 500)", name: name, state: index == 77 ? .failed : .done,
                start: index * 100, duration: index == 77 ? 1 : 50 + index % 60)
        }
        record.attempts[0].samples = (0..<10_000).map { index in
            UsagePoint(at: index * 50, cores: index == 5000 ? 3.5 : Double(index % 20) / 10, megabytes: Double(index))
        }
        return record
    }

    static func envelope(_ status: ResultEnvelope.Status) -> ResultEnvelope {
        var envelope = ResultEnvelope(status: status)
        envelope.buildID = "b-01J9Z6Q4C8R2T5V7X9A1B3D5F7"
        envelope.workspace = "acme"
        envelope.mode = "ci"
        var artifact = ArtifactResult(
            name: "app", image: "reg.example/acme/app:1", tags: ["reg.example/acme/app:latest"],
            platforms: ["linux/amd64"], status: .succeeded)
        artifact.digest = digest
        artifact.steps = StepCount(total: 6, cached: 2)
        artifact.durationMS = 38_000
        envelope.artifacts = [artifact]
        envelope.sizing = small
        envelope.runner = RunnerResult(id: "r-77", provider: "hcloud", tier: "cx22", destroyed: true)
        envelope.cache = CacheResult(
            from: ["reg.example/cache/acme/ci/main"], to: ["reg.example/cache/acme/ci/main"])
        envelope.context = ContextResult(files: 812, bytes: 10_485_760, excludedFiles: 20_411, sentBytes: 4_194_304)
        envelope.usage = UsageResult(cpuPeak: 1.9, memoryMBPeak: 2900, samples: 38)
        envelope.timings = Timings()
        envelope.timings?.total = 41_400
        envelope.warnings = [BuildWarning(.historyUnavailable, "the orchestrator keeps no history")]
        return envelope
    }

    static func phases(attempt: Int, from start: Int, build: Int) -> [PhaseSpan] {
        let lengths: [(Phase, Int)] = [
            (.spawn, 900), (.connect, 350), (.sync, 700), (.build, build), (.teardown, 1400),
        ]
        var moment = start
        var spans = [PhaseSpan(.resolve, attempt: nil, start: 0, end: 12)]
        for (phase, length) in lengths {
            spans.append(PhaseSpan(phase, attempt: attempt, start: moment, end: moment + length))
            moment += length
        }
        return spans
    }

    static func steps(of artifact: String, from start: Int) -> [StepRecord] {
        let names: [(String, BuildStep.State, Int, Int)] = [
            ("[internal] load build definition from Dockerfile", .done, 0, 80),
            ("[internal] load metadata for reg.example/golang:1.24", .done, 80, 600),
            ("[base 1/3] FROM reg.example/golang:1.24", .cached, 700, 0),
            ("[base 2/3] COPY go.mod go.sum ./", .cached, 700, 0),
            ("[base 3/3] RUN --mount=type=cache,target=/go go mod download && go vet ./...", .done, 720, 9200),
            ("[final 1/2] RUN go build -trimpath -o /out/app ./cmd/app", .done, 9950, 17_300),
            ("exporting to image", .done, 27_300, 8900),
        ]
        return names.map { name, state, begin, length in
            StepRecord(artifact: artifact, name: name, state: state, start: start + begin, duration: length)
        }
    }

    static func attempt(
        _ number: Int, _ sizing: Sizing, from start: Int, steps: [StepRecord], seconds: Int, growing: Int = 70
    ) -> AttemptRecord {
        var attempt = AttemptRecord(
            number: number, sizing: sizing, start: start, end: start + 2000 + seconds * 1000)
        attempt.steps = steps
        attempt.samples = (0..<seconds).map { second in
            let wave = Double(second * 7919 % 100) / 100
            return UsagePoint(
                at: start + 2000 + second * 1000,
                cores: second == 0 ? nil : min(Double(sizing.size.cpu), 0.4 + wave * 0.8 + Double(second) / 25),
                megabytes: 240 + Double(second * growing) + wave * 120)
        }
        return attempt
    }
}
