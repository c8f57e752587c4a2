import LianBuildKit
import LianModel
import Testing

@testable import LianBuild

/// What filled a runner's disk, where the engine's log is all that there is.
@Suite struct DiskFillTests {
    @Test(arguments: [
        ("#6 [2/2] RUN make\n#6 DONE 2.1s\n#7 exporting to image\n#7 ERROR: copy failed\n", DiskFill.export),
        ("#6 [2/2] RUN make\n#6 DONE 2.1s\n#7 exporting to image\n#7 exporting layers\n", .export),
        ("#6 [2/2] RUN --mount=type=cache,target=/c make\n#6 0.1 busy\n", .cacheMounts),
        ("#6 [1/2] RUN make\n#6 0.1 busy\n", .layers), ("#6 [1/2] RUN make\n#6 ERROR: no space\n", .layers),
        ("#1 [internal] load .dockerignore\n#1 DONE 0.0s\n", .layers), ("", .layers),
    ])
    func whereTheEndIsLost(log: String, fill: DiskFill) {
        var reader = BuildLogReader(hiding: .none)
        _ = reader.read(Array(log.utf8))
        _ = reader.finish()
        #expect(DiskFill(endLostAfter: reader) == fill)
    }
}
