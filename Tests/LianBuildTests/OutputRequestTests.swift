import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// What is asked for by --output, --load and `outputs`.
@Suite struct OutputRequestTests {
    @Test func withoutAWordAnImageIsPushed() async throws {
        try await withRequestFixture { fixture in
            #expect(try fixture.artifact().outputs == ArtifactOutputs(pushes: true))
            #expect(try fixture.artifact(["--no-push"]).outputs == ArtifactOutputs(pushes: false))
            let asked = try fixture.artifact(["--output", "type=image", "--output", "type=oci,dest=a.tar"])
            #expect(asked.outputs.pushes && asked.outputs.makesImage)
            #expect(asked.outputs.brought == [BroughtOutput(.oci, to: .file("\(fixture.folder)/a.tar"))])
        }
    }

    @Test func noImageIsDemandedWhereNoneIsMade() async throws {
        try await withRequestFixture { fixture in
            let flags = ["--image", "", "--output", "out", "--output", "type=tar,dest=a.tar"]
            let request = try fixture.build(flags.filter { !["--image", ""].contains($0) })
            #expect(request.artifacts[0].outputs.brought.count == 2 && !request.artifacts[0].outputs.makesImage)
            let artifact = directives(["outputs": [["type": "local", "dest": "made/out"]]])
            var fields = artifact["artifacts"]?[0]?.objectValue ?? [:]
            fields["image"] = nil
            var whole = artifact.objectValue ?? [:]
            whole["artifacts"] = .array([.object(fields)])
            let written = try fixture.artifact(directives: .object(whole))
            #expect(written.image == nil && !written.outputs.pushes)
            #expect(written.outputs.brought == [BroughtOutput(.local, to: .folder("\(fixture.folder)/made/out"))])
            #expect(fixture.refusal(["--load"], directives: .object(whole))?.message.contains("no image") == true)
        }
    }

    @Test func aLoadedImageNeedsItsName() async throws {
        try await withRequestFixture { fixture in
            let asked = try fixture.artifact(["--load"])
            #expect(
                asked.outputs
                    == ArtifactOutputs(makesImage: false, pushes: false, brought: [BroughtOutput(.docker, to: .engine)])
            )
            #expect(asked.image?.description == "reg.example/team/app:1")
        }
    }

    @Test func directivesBeatFlags() async throws {
        try await withRequestFixture { fixture in
            let written = directives([
                "outputs": [["type": "tar", "dest": "a.tar"], ["type": "image"]], "push": false,
            ])
            let request = try fixture.build(["--output", "out"], directives: written)
            #expect(request.warnings(.flagOverridden) == ["--output is not used: the directives write outputs"])
            #expect(request.artifacts[0].outputs.makesImage && !request.artifacts[0].outputs.pushes)
            let flagged = try fixture.artifact(["--output", "out"], directives: directives())
            #expect(flagged.outputs.brought.map(\.path) == ["\(fixture.folder)/out"])
        }
    }

    private func expectRefusals(_ cases: [([String], String)], _ fixture: RequestFixture) {
        for (flags, message) in cases {
            let error = fixture.refusal(flags)
            #expect(
                error?.code == .invalidArgument && error?.message.contains(message) == true,
                "\(flags): \(String(describing: error))")
        }
    }

    @Test func whatCannotBeIsToldWithItsName() async throws {
        try await withRequestFixture { fixture in
            let cases: [([String], String)] = [
                (["--output", "type=tar,dest=-"], "stdout"),
                (["--output", "out", "--output", "type=local,dest=./out"], "named twice"),
                (["--output", "type=image", "--output", "type=registry"], "twice"),
            ]
            expectRefusals(cases, fixture)
            let outside = directives(["outputs": [["type": "local", "dest": "../out"]]])
            #expect(fixture.refusal(directives: outside)?.message.contains("leads out") == true)
            try FileManager.default.createSymbolicLink(
                atPath: "\(fixture.folder)/away", withDestinationPath: "/etc")
            for (field, value): (String, JSONValue) in [
                ("outputs", [["type": "tar", "dest": "away/out.tar"]]), ("cache_to", ["type=local,dest=away/new"]),
                ("cache_to", ["type=local,dest=../cache"]), ("cache_from", ["type=local,src=away"]),
            ] {
                let error = fixture.refusal(directives: directives([field: value]))
                #expect(error?.code == .directivesInvalid, "\(value): \(String(describing: error))")
                #expect(error?.message.contains("leads out of the file's folder") == true)
            }
        }
    }

    @Test func noTwoArtifactsShareAPlace() async throws {
        try await withRequestFixture { fixture in
            let output: JSONValue = [["type": "local", "dest": "out"]]
            let two: JSONValue = [
                ["name": "a", "context": "app", "outputs": output], ["name": "b", "context": "app", "outputs": output],
            ]
            let error = fixture.refusal(directives: directives(whole: ["artifacts": two]))
            #expect(error?.message.hasPrefix("'a' and 'b': ") == true, "\(String(describing: error))")
            #expect(
                fixture.refusal(["--output", "x"], directives: directives(whole: ["artifacts": two]))?.message.contains(
                    "--output is for one artifact") == true)
        }
    }

    /// However their paths are written, and whatever else stands in each other's way.
    @Test func placesThatAreOneOrBelowAFile() async throws {
        try await withRequestFixture { fixture in
            try FileManager.default.createSymbolicLink(
                atPath: "\(fixture.folder)/link", withDestinationPath: "\(fixture.folder)/app")
            // For Swift the last letter of this one and a slash behind it are one character.
            try FileManager.default.createSymbolicLink(
                atPath: "\(fixture.folder)/sign\u{600}", withDestinationPath: "\(fixture.folder)/app")
            let cases: [([String], String)] = [
                (["--output", "app/out", "--output", "link/out"], "are one place"),
                (["--output", "app/out", "--output", "sign\u{600}/out"], "are one place"),
                (["--output", "app/new/out", "--output", "type=tar,dest=link/new/out"], "are one place"),
                (["--output", "type=tar,dest=new", "--output", "new/out"], "is a file"),
                (["--output", "new/out", "--output", "type=tar,dest=new"], "is a file"),
                (["--output", "type=tar,dest=c", "--cache-to", "type=local,dest=c"], "is a file"),
            ]
            expectRefusals(cases, fixture)
            let apart = ["--output", "out", "--output", "type=tar,dest=out/a.tar", "--output", "out2"]
            #expect(try fixture.artifact(apart).outputs.brought.count == 3)
        }
    }
}
