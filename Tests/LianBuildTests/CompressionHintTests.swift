import LianBuildKit
import LianModel
import Testing

@testable import LianBuild

@Suite struct CompressionHintTests {
    @Test(
        arguments: [
            (nil, 5.1, 15, true), (.gzip, 5.1, 15, true), (.zstd, 5.1, 15, false), (.estargz, 5.1, 15, false),
            (nil, 5, 6, false), (nil, 5.1, 15.4, false), (nil, 600, 1000, true),
        ] as [(LayerCompression.Kind?, Double, Double, Bool)])
    func isToldWhereItWouldHavePaid(
        kind: LayerCompression.Kind?, layers: Double, build: Double, expected: Bool
    ) async throws {
        try await withRequestFixture { fixture in
            var artifact = try fixture.artifact()
            artifact.compression = kind.flatMap { LayerCompression($0) }
            #expect((CompressionHint.text(artifact, layers: layers, build: build) != nil) == expected)
        }
    }

    @Test(
        arguments: [
            ("#8 exporting to image\n#8 exporting layers\n#8 exporting layers 12.3s done\n#8 DONE 14.0s\n", 12.3),
            ("#8 exporting to image\n#8 exporting layers done\n", nil),
            ("#8 exporting to image\n#8 exporting layers 1e9s done\n", nil),
            ("#7 [2/2] RUN x\n#7 0.1 exporting layers 12.3s done\n", nil),
            (
                #"{"vertexes":[{"digest":"a","name":"exporting to image","started":"2026-01-01T00:00:00Z"}],"#
                    + #""statuses":[{"id":"exporting layers","vertex":"a","started":"2026-01-01T00:00:01Z","#
                    + #""completed":"2026-01-01T00:00:07.5Z"}]}"# + "\n", 6.5
            ),
        ] as [(String, Double?)])
    func theEngineTellsHowLong(log: String, seconds: Double?) {
        var reader = BuildLogReader()
        _ = reader.read(Array(log.utf8))
        _ = reader.finish()
        #expect(reader.layersSeconds == seconds)
    }
}
