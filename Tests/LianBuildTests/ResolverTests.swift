import LianConfiguration
import LianHTTP
import LianModel
import LianOrchestratorClient
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// From a request to what travels and what buildctl is told.
@Suite struct ResolverTests {
    private struct Silence: BuildReporter {
        func report(_: ProgressEvent) {}
    }

    /// The size is given, so that nobody is asked for history.
    private func resolution(
        _ fixture: RequestFixture, _ flags: [String], environment: [String: String] = [:]
    ) async throws -> Resolution {
        let request = try fixture.build(flags + ["--cpu", "1", "--memory-gb", "1"], environment: environment)
        let surroundings = Surroundings(
            environment: [:], workingFolder: WorkingFolder(fixture.folder), installation: nil, reporter: Silence())
        let client = try OrchestratorClient(server: request.orchestrator.url, token: nil, http: try HTTPClient())
        return try await Resolver(options: BuildOptions(), surroundings: surroundings).resolve(
            request, history: HistorySource(client: client))
    }

    /// One letter in its two spellings, which Swift takes for equal texts.
    private let spellings = ["caf\u{E9}", "cafe\u{301}"]

    @Test func foldersAreToldApartByTheirBytes() async throws {
        try await withRequestFixture { fixture in
            var flags: [String] = []
            for (index, name) in spellings.enumerated() {
                try makeFolder("\(fixture.folder)/\(name)")
                flags += ["--build-context", "c\(index)=\(name)"]
            }
            let resolution = try await resolution(fixture, flags)
            #expect(resolution.transfers.count == 3)
            let artifact = resolution.request.artifacts[0]
            let folders = resolution.folders(of: artifact, workFolder: "/w")
            #expect(Set(folders.extraContexts.values).count == 2)
        }
    }

    @Test func secretFilesAreToldApartByTheirBytes() async throws {
        try await withRequestFixture { fixture in
            var flags: [String] = []
            for (index, name) in spellings.enumerated() {
                try writeFile("\(fixture.folder)/\(name)", "secret-\(index)")
                flags += ["--secret", "id=s\(index),src=\(name)"]
            }
            let request = try fixture.build(flags)
            let secrets = try await BuildSecrets.read(request, environment: [:], http: try HTTPClient())
            let values = secrets.files(of: request.artifacts[0]).map { String(decoding: $0.bytes, as: UTF8.self) }
            #expect(values == ["secret-0", "secret-1"])
        }
        #expect(SSHForward.Place.key(spellings[0]) != .key(spellings[1]))
        #expect(SSHForward.Place.key("a") != .socket("a"))
        #expect(SecretSource.file("a") != .environment("a"))
    }

    /// Linux runs no command with a longer one.
    @Test(arguments: [
        (["--build-arg", "BIG"], "--opt build-arg:BIG"), (["--label", "big="], "--opt label:big"),
        (["--annotation", "big="], "--output"),
    ])
    func anArgumentThatIsTooLongIsRefused(flag: [String], name: String) async throws {
        try await withRequestFixture { fixture in
            for (count, isRefused) in [(131_000 - 500, false), (131_072, true)] {
                let value = String(repeating: "x", count: count)
                let isGiven = flag[1].hasSuffix("=")
                let flags = isGiven ? [flag[0], flag[1] + value] : flag
                do {
                    _ = try await resolution(fixture, flags, environment: isGiven ? [:] : ["BIG": value])
                    #expect(!isRefused)
                } catch let error as LianError {
                    #expect(isRefused && error.code == .invalidArgument, "\(error.message)")
                    #expect(error.message.contains("\(name) ") && !error.message.contains("xxx"), "\(error.message)")
                }
            }
        }
    }
}
