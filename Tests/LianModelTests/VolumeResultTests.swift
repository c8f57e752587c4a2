import LianModel
import Testing

/// How a person is told of a volume.
@Suite struct VolumeResultTests {
    private let asked = VolumeRequest(from: [], to: VolumeName("ci/acme/app"))

    @Test func warmAndCold() {
        let warm = VolumeResult(
            asked,
            found: RunnerVolume(state: .warm, from: VolumeName("ci/acme/app"), generation: 7, bytes: 754_000_000))
        #expect(warm.finding == "warm, from ci/acme/app (generation 7, 754.0 MB)")
        #expect(warm.latest == warm.finding && warm.summary == warm.finding)
        #expect(
            warm.json.encoded()
                == #"{"bytes":754000000,"from":"ci/acme/app","generation":7,"kept":null,"name":"ci/acme/app","#
                + #""reason":null,"state":"warm"}"#)
        // What comes with a cold one is not of the volume.
        let cold = VolumeResult(
            asked,
            found: RunnerVolume(
                state: .cold, from: VolumeName("ci/acme/app"), generation: 7, bytes: 9, reason: "none_yet"))
        #expect(cold == VolumeResult(name: asked.to, state: .cold, reason: "none_yet"))
        #expect(cold.finding == "cold: nothing is kept under this name yet")
        #expect(VolumeResult(asked, found: nil) == VolumeResult(name: asked.to, state: .none))
    }

    @Test func everyReasonHasWordsOfItsOwn() {
        let reasons = VolumeColdReason.allCases.map(\.rawValue) + [VolumeTrouble.noName.rawValue]
        let cold = reasons.map { VolumeResult.coldness($0) }
        #expect(Set(cold).count == cold.count)
        let discards = VolumeDiscardReason.allCases.map(\.rawValue)
        let troubles = [VolumeTrouble.notServed, .notReady, .runnerGone, .refused].map(\.rawValue)
        let words = (discards + troubles).map { VolumeResult.discarding($0) }
        #expect(Set(words).count == words.count)
        for text in cold + words { #expect(text.contains(" ") && !text.contains("_"), "\(text)") }
        // Another orchestrator's word is told as it is.
        #expect(VolumeResult.coldness("on_the_moon") == "on_the_moon")
        #expect(VolumeResult.discarding("on_the_moon") == "on_the_moon")
        #expect(VolumeResult.coldness(nil) == VolumeResult.discarding(nil))
    }

    /// Metrics of a build that asked for no volume have no word of it.
    @Test func metricsTellOfItWhereThereIsOne() throws {
        var report = MetricsReport(
            buildID: "b-1", attempt: 1, runnerID: "r-1", tier: nil, outcome: .succeeded, cpuPeak: nil,
            memoryMBPeak: nil, durationSeconds: 2)
        #expect(report.json.objectValue?.keys.contains { ["volume_state", "kept"].contains($0) } == false)
        for kept in [nil, true, false] as [Bool?] {
            report.volumeState = "warm"
            report.kept = kept
            #expect(report.json["volume_state"] == "warm" && report.json["kept"] == kept.json)
            #expect(try MetricsReport(JSONNode(report.json)) == report)
        }
    }

    /// All that 1.1 adds may be left out, be null, and be larger than anything that is counted.
    @Test func metricsTellMoreWhereItIsKnown() throws {
        let bare = MetricsReport(
            buildID: "b-1", attempt: 1, runnerID: nil, tier: nil, outcome: .failed, cpuPeak: nil, memoryMBPeak: nil,
            durationSeconds: 2)
        let added = ["steps_total", "steps_cached", "artifacts", "image_bytes", "error_code", "timings_ms"]
        #expect(added.allSatisfy { bare.json[$0] == nil })
        var full = bare
        (full.stepsTotal, full.stepsCached, full.artifacts) = (7, 3, ["app"])
        (full.imageBytes, full.errorCode, full.timingsMS) = (9, "build_failed", ["sync": 12, "build": -1])
        #expect(try MetricsReport(JSONNode(full.json)) == full)

        func read(_ name: String, _ json: String) throws -> MetricsReport {
            var members = bare.json.objectValue ?? [:]
            members[name] = try JSONValue.parse(json)
            return try MetricsReport(JSONNode(.object(members)))
        }
        for name in added { #expect(try read(name, "null") == bare) }
        #expect(try read("image_bytes", "119886543084765618940936192").imageBytes == .max)
        #expect(try read("timings_ms", "{\"a\":-1e30,\"b\":null,\"c\":2.0}").timingsMS == ["a": .min, "c": 2])
        let many = "[\(Array(repeating: "\"a\"", count: 33).joined(separator: ","))]"
        for (name, wrong) in [
            ("steps_total", "-1"), ("steps_cached", "1.5"), ("image_bytes", "\"1\""), ("artifacts", "[1]"),
            ("artifacts", "\"a\""), ("artifacts", many), ("error_code", "1"), ("timings_ms", "[]"),
            ("timings_ms", "{\"a\":\"1\"}"), ("timings_ms", "{\"a\":0.5}"),
        ] {
            #expect(throws: SchemaViolation.self, "\(name) \(wrong)") { try read(name, wrong) }
        }
    }

    @Test func theEnd() {
        var volume = VolumeResult(name: asked.to, state: .cold, reason: "in_use")
        volume.kept = true
        #expect(volume.summary == "cold: another runner holds the volume just now; kept for the next runner")
        volume.kept = false
        volume.reason = "disk_full"
        #expect(volume.latest == "not kept: the orchestrator's disk is full")
        volume.kept = nil
        volume.reason = "no_answer"
        #expect(volume.latest == "not known to be kept: no answer came")
    }
}
