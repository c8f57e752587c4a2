import LianModel
import Testing

@Suite struct EventTests {
    private let origin = BuildEventOrigin(
        subjectPrefix: "ci.lian", workspace: "acme", buildID: "b-01J", mode: "session", actor: "me")
    private let time = UTCTime(milliseconds: 1_767_225_600_123)

    private func json(_ event: BuildEvent, attempt: Int) -> String {
        event.cloudEvent(of: origin, attempt: attempt, time: time).json.encoded()
    }

    private func envelope(_ name: String, _ attempt: Int, _ data: String) -> String {
        #"{"data":\#(data),"datacontenttype":"application/json","id":"b-01J.\#(name).\#(attempt)","#
            + #""source":"/lian-build/b-01J","specversion":"1.0","subject":"ci.lian.acme.build.\#(name)","#
            + #""time":"2026-01-01T00:00:00.123Z","type":"dev.lian.build.\#(name)"}"#
    }

    private let sizing = Sizing(
        source: .language, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")
    private let sizingText =
        #""sizing":{"cpu":2,"memory_gb":4,"source":"language","tier":"cx22","time_budget_minutes":30}"#

    @Test func started() {
        let event = BuildEvent.started(
            sizing: sizing, artifacts: ["app", "web"], cache: CacheResult(from: ["r/dev:cache", "r/ci:cache"], to: []))
        #expect(
            json(event, attempt: 1)
                == envelope(
                    "started", 1,
                    #"{"actor":"me","artifacts":["app","web"],"attempt":1,"build_id":"b-01J","#
                        + #""cache":{"from":["r/dev:cache","r/ci:cache"],"to":[]},"mode":"session","#
                        + #"\#(sizingText),"tier":"cx22","workspace":"acme"}"#))
    }

    @Test func completed() {
        var timings = Timings()
        timings.build = 7000
        let event = BuildEvent.completed(
            artifacts: [.init(name: "app", digest: "sha256:0a"), .init(name: "web", digest: nil)],
            durationMilliseconds: 8123, steps: StepCount(total: 9, cached: 4), sizing: sizing, timings: timings,
            volume: VolumeResult(name: VolumeName("ci/acme/app"), state: .cold, reason: "none_yet"))
        #expect(
            json(event, attempt: 2)
                == envelope(
                    "completed", 2,
                    #"{"actor":"me","artifacts":[{"digest":"sha256:0a","name":"app"},{"digest":null,"name":"web"}],"#
                        + #""attempt":2,"build_id":"b-01J","duration_ms":8123,"mode":"session","#
                        + #"\#(sizingText),"steps":{"cached":4,"total":9},"timings_ms":{"build":7000,"ready":null,"#
                        + #""resolve":null,"spawn":null,"sync":null,"teardown":null,"total":null},"#
                        + #""volume":{"bytes":null,"from":null,"generation":null,"kept":null,"name":"ci/acme/app","#
                        + #""reason":"none_yet","state":"cold"},"workspace":"acme"}"#))
    }

    @Test func failed() {
        #expect(
            json(.failed(code: .timeBudgetExceeded, phase: .build, status: "timed_out"), attempt: 1)
                == envelope(
                    "failed", 1,
                    #"{"actor":"me","attempt":1,"build_id":"b-01J","code":"time_budget_exceeded","mode":"session","#
                        + #""phase":"build","status":"timed_out","workspace":"acme"}"#))
    }

    @Test func integrateCompleted() {
        let event = IntegrateEvent(requestID: "r 1", workspace: "acme", status: "error", checks: ["tools": "fail"])
        #expect(
            event.cloudEvent(subjectPrefix: "lian", id: "i-1", time: time).json.encoded()
                == #"{"data":{"checks":{"tools":"fail"},"request_id":"r 1","status":"error","workspace":"acme"},"#
                + #""datacontenttype":"application/json","id":"i-1","source":"/lian-build/integrate","#
                + #""specversion":"1.0","subject":"lian.acme.integrate.completed","#
                + #""time":"2026-01-01T00:00:00.123Z","type":"dev.lian.integrate.completed"}"#)
    }

    @Test func natsURLs() throws {
        let plain = try NATSURL("nats://Example.org")
        #expect(plain.description == "nats://example.org:4222")
        #expect(!plain.usesTLS && plain.user == nil)
        #expect(try NATSURL("tls://[::1]/").description == "tls://[::1]:4222")
        #expect(try NATSURL("nats://h:80").port == 80)
        let full = try NATSURL("tls://me:p%40ss:w@h:1234")
        #expect(full.usesTLS && full.user == "me" && full.password == "p@ss:w" && full.port == 1234)
        #expect(full.description == "tls://h:1234")
        #expect(try NATSURL("nats://t0ken@h").password == nil)
        for bad in [
            "", "h:4222", "http://h", "nats://", "nats://@h", "nats://h:0", "nats://h/x", "nats://%zz@h", "nats://a b",
            "nats://%ff@h",
        ] {
            #expect(throws: InvalidNATSURL.self, "\(bad)") { try NATSURL(bad) }
        }
    }
}
