import Foundation
import LianRemote
import LianTestSupport
import Testing

@Suite(.serialized) struct RunnerToolsTests {
    @Test func toolsAreTold() async throws {
        let tools = try await RunnerTools.probe(LocalHost())
        #expect(tools.rsync?.hasPrefix("rsync  version ") == true)
        try await withTemporaryFolder { folder in
            let buildctl = folder.appending(path: "buildctl")
            try Data("#!/bin/sh\necho buildctl example v0.16.0 abc\necho more".utf8).write(to: buildctl)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: buildctl.path)
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/dd", withDestinationPath: "/bin/dd")
            let found = try await RunnerTools.probe(LocalHost(environment: ["PATH": folder.path]))
            #expect(found == RunnerTools(rsync: nil, buildctl: "buildctl example v0.16.0 abc"))
        }
    }

    @Test(arguments: [
        "buildctl github.com/moby/buildkit v0.12.5 bac3f2b": false,
        "buildctl github.com/moby/buildkit v0.13.0 0cd0ee0": true,
        "buildctl github.com/moby/buildkit v0.25.1": true, "buildctl github.com/moby/buildkit v1.0.0-rc1 x": true,
        "buildctl github.com/moby/buildkit 0.0.0+unknown": false, "buildctl for Docker 20.10.24": false, "": false,
    ])
    func rawJSONIsAskedOfThoseWhoSpeakIt(version: String, speaks: Bool) {
        #expect(RunnerTools(buildctl: version).speaksRawJSON == speaks)
        #expect(!RunnerTools().speaksRawJSON)
    }
}
