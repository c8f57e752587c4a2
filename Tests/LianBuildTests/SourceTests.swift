import Foundation
import LianConfiguration
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// Where context and Dockerfile come from, and what is asked about them.
@Suite struct SourceTests {
    private func arguments(
        _ fixture: RequestFixture, _ flags: [String], directives: JSONValue? = nil, input: String? = nil
    ) throws -> [String] {
        let request = try fixture.build(flags, directives: directives, input: input)
        return BuildctlCommand(
            artifact: request.artifacts[0], registry: request.registry,
            folders: .init(context: "/c", extraContexts: [:], run: "/r"), address: nil, progress: .rawjson,
            exportsAllStages: true, request: request.call?.requests.first
        ).arguments
    }

    private static let git = "https://git.example/app.git#main:sub"

    @Test func aURLIsFetchedByTheEngine() async throws {
        try await withRequestFixture { fixture in
            let ways: [(flags: [String], written: JSONValue?)] = [
                (["--context", Self.git], Optional.none), ([], directives(["context": .string(Self.git)])),
            ]
            for (flags, written) in ways {
                let request = try fixture.build(flags, directives: written)
                #expect(request.artifacts[0].context == .url(Self.git) && request.specFolder == nil)
                #expect(request.artifacts[0].travelling.isEmpty && request.artifacts[0].dockerfileText == nil)
                let list = try arguments(fixture, flags, directives: written)
                #expect(
                    Array(list[5...].prefix(4)) == ["--opt", "context=\(Self.git)", "--opt", "filename=Dockerfile"])
                #expect(!list.contains("--local"))
            }
            let lost = try fixture.build(["--context", "app"], directives: directives(["context": .string(Self.git)]))
            #expect(lost.warnings(.flagOverridden) == ["--context is not used: the directives write context"])
        }
    }

    @Test(arguments: [
        ("https://ci:hunter22@git.example/app.git", ErrorCode.invalidArgument),
        ("https://hunter22@git.example/app.git", .invalidArgument), ("ftp://h/hunter22", .invalidArgument),
        ("ssh://git@git.example/hunter22.git", .credentialMissing),
        ("git@git.example:hunter22.git", .credentialMissing), ("ssh://git:hunter22@git.example/app", .invalidArgument),
    ])
    func contextsThatNoEngineFetches(url: String, code: ErrorCode) async throws {
        try await withRequestFixture { fixture in
            let error = try #require(fixture.refusal(["--context", url]))
            #expect(error.code == code && error.hint.contains("GIT_AUTH_TOKEN"))
            #expect(error.message.hasPrefix("--context"))
            #expect(!"\(error)".contains("hunter22"))
        }
    }

    @Test(arguments: ["ssh://git@git.example:2222/app.git#main:sub", "git@git.example:team/app.git"])
    func aRepositoryOverSSHIsFetchedWithAnAgent(url: String) async throws {
        try await withRequestFixture { fixture in
            let written = directives(["context": .string(url)])
            for (flags, file) in [(["--context", url], Optional.none), ([], written)] {
                let refused = try #require(fixture.refusal(flags + ["--ssh", "other"], directives: file))
                #expect(refused.code == .credentialMissing && refused.hint.contains("--ssh default"), "\(refused)")
                let list = try arguments(fixture, flags + ["--ssh", "default"], directives: file)
                #expect(list.contains("context=\(url)") && list.contains("default=secrets/agent.0"))
            }
            // The same of what a build takes besides its context.
            let extra = directives(["extra_contexts": ["src": .string(url)]])
            for (flags, file) in [(["--build-context", "src=\(url)"], Optional.none), ([], extra)] {
                #expect(fixture.refusal(flags, directives: file)?.code == .credentialMissing)
                let list = try arguments(fixture, flags + ["--ssh", "default"], directives: file)
                #expect(list.contains("context:src=\(url)"))
            }
            // A question about its Dockerfile fetches that too; an agent for steps is not asked for anything.
            let asked = try fixture.artifact(
                ["--context", url, "--call", "check", "--ssh", "default", "--ssh", "other"])
            #expect(asked.agents.map(\.id) == ["default"])
            #expect(try fixture.artifact(["--call", "check", "--ssh", "default"]).agents.isEmpty)
        }
    }

    /// It lies in the run's own folder in memory, and nothing of the context's own Dockerfile is read.
    @Test func aDockerfileOnStdin() async throws {
        try await withRequestFixture { fixture in
            for name in ["--dockerfile", "--file"] {
                let request = try fixture.build([name, "-"], input: "FROM base.example/b:1\n")
                let artifact = request.artifacts[0]
                #expect(artifact.dockerfileText == "FROM base.example/b:1\n")
                #expect(BuildSecrets.registryHosts(request).read == ["base.example"])
                #expect(artifact.dockerfilePath == "Dockerfile")
                #expect(artifact.travelling.map(\.folder) == ["\(fixture.folder)/app"])
                #expect(artifact.travelling.allSatisfy { $0.dockerfile == nil })
            }
            let list = try arguments(fixture, ["--dockerfile", "-"], input: "FROM scratch\n")
            #expect(
                Array(list[5...].prefix(6)) == [
                    "--local", "context=/c", "--local", "dockerfile=/r/secrets", "--opt", "filename=Dockerfile",
                ])
            let remote = try arguments(fixture, ["--dockerfile", "-", "--context", Self.git], input: "FROM scratch\n")
            #expect(
                Array(remote[5...].prefix(6)) == [
                    "--opt", "context=\(Self.git)", "--local", "dockerfile=/r/secrets", "--opt",
                    "dockerfilekey=dockerfile",
                ])
            let lost = try fixture.build(
                ["--dockerfile", "-"], directives: directives(["dockerfile": "D"]), input: "FROM scratch\n")
            #expect(lost.artifacts[0].givenDockerfile == nil && lost.artifacts[0].dockerfile == "D")
            #expect(lost.warnings(.flagOverridden) == ["--dockerfile is not used: the directives write dockerfile"])
        }
    }

    @Test func oneDockerfileOnStdinIsForOneArtifact() async throws {
        try await withRequestFixture { fixture in
            let two = directives(whole: [
                "artifacts": [
                    ["name": "a", "context": "app", "image": "reg.example/acme/a:1"],
                    ["name": "b", "context": "app", "image": "reg.example/acme/b:1"],
                ]
            ])
            #expect(
                fixture.refusal(["--file", "-"], directives: two)?.message
                    == "--dockerfile - is for one artifact, and the directives have several")
        }
    }

    @Test func standardInputIsReadToItsEnd() async throws {
        let pipe = Pipe()
        let input = StandardInput(pipe.fileHandleForReading.fileDescriptor)
        let reading = Task { try await input.read() }
        for part in ["FROM ", "scratch\n"] { try pipe.fileHandleForWriting.write(contentsOf: Data(part.utf8)) }
        try pipe.fileHandleForWriting.close()
        #expect(try await reading.value == Array("FROM scratch\n".utf8))
    }

    @Test func whoIsCancelledWaitsForNoInput() async throws {
        let pipe = Pipe()
        let input = StandardInput(pipe.fileHandleForReading.fileDescriptor)
        let reading = Task { try await input.read() }
        reading.cancel()
        await #expect(throws: CancellationError.self) { try await reading.value }
        // Nobody wrote anything, and nobody closed it before.
        try pipe.fileHandleForWriting.close()
    }

    private struct Silence: BuildReporter {
        func report(_: ProgressEvent) {}
    }

    /// Whoever waits for a Dockerfile from a terminal is ended by a signal as at any other time, with an envelope.
    @Test func aSignalEndsTheWaitForADockerfile() async throws {
        try await withTemporaryFolder { folder in
            let pipe = Pipe()
            var options = BuildOptions()
            options.dockerfile = .init("-", as: "--dockerfile")
            let build = Build(
                options: options,
                surroundings: Surroundings(
                    environment: [:], workingFolder: WorkingFolder(folder.path), installation: nil, reporter: Silence(),
                    standardInput: StandardInput(pipe.fileHandleForReading.fileDescriptor)))
            let running = Task { await build.run() }
            build.end(by: .terminate)
            #expect(await running.value.status == .cancelled)
            try pipe.fileHandleForWriting.close()
        }
    }

    @Test func stdinHasItsLimit() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "large")
            try Data(repeating: 10, count: 1 << 20 + 1).write(to: file)
            let descriptor = try #require(FileHandle(forReadingAtPath: file.path))
            let error = await #expect(throws: LianError.self) {
                try await StandardInput(descriptor.fileDescriptor).read()
            }
            #expect(error?.code == .dockerfileMissing && error?.message.hasSuffix("it has more than 1 MiB") == true)
        }
    }

    @Test(arguments: [("check", "lint"), ("outline", "outline"), ("targets", "targets")])
    func aQuestionMakesNothing(call: String, request: String) async throws {
        try await withRequestFixture { fixture in
            let flags = ["--call", call, "--tag", "reg.example/a:1", "--cache-to", "reg.example/team/x:1"]
            let list = try arguments(fixture, flags)
            #expect(list.suffix(2) == ["--opt", "requestid=frontend.\(request)"])
            for flag in ["--output", "--export-cache", "--import-cache", "--metadata-file"] {
                #expect(!list.contains(flag))
            }
            let asked = try fixture.build(flags)
            #expect(asked.volume == .off && !asked.artifacts[0].outputs.pushes)
            #expect(BuildSecrets.registryHosts(asked).written.isEmpty)
        }
    }
}
