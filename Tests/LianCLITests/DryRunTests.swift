import Foundation
import LianModel
import LianTestSupport
import Testing

/// A dry run decides everything, shows it, and touches nothing.
@Suite struct DryRunTests {
    /// Where nobody listens.
    private static let nobody = ["--orchestrator-url", "http://127.0.0.1:9"]

    private func flat(_ further: [String] = [], orchestrator: [String] = nobody) -> [String] {
        [
            "build", "--dry-run", "--workspace", "acme", "--context", "app", "--image", "localhost:5000/acme/app:1",
            "--ssh-key", "ephemeral",
        ] + orchestrator + further
    }

    @Test(.needsNickel) func everyExample() async throws {
        try await withProgramFolder { folder in
            var envelopes: [JSONValue] = []
            for (name, images) in [("ci", 1), ("session", 1), ("monorepo", 4), ("extra-contexts", 1)] {
                let file = Project.root.appending(path: "examples/\(name).ncl").path
                let run = try await folder.run(
                    ["build", "--dry-run", "--directives", file, "--ssh-key", "ephemeral"] + Self.nobody,
                    environment: folder.environmentWithNickel)
                #expect(run.status == 0, "\(name): \(run.errors)")
                let envelope = try #require(run.envelope)
                #expect(envelope["status"] == "planned")
                #expect(envelope["plan"]?["artifacts"]?.arrayValue?.count == images)
                #expect(run.warningCodes == ["history_unavailable"])
                envelopes.append(envelope)
            }
            // It names an orchestrator that nobody here trusts.
            let sample = Project.root.appending(path: "examples/sample.ncl").path
            let run = try await folder.run(
                ["build", "--dry-run", "--directives", sample, "--ssh-key", "ephemeral"],
                environment: folder.environmentWithNickel)
            #expect((run.status, run.errorCode) == (2, "orchestrator_not_trusted"))
            envelopes.append(try #require(run.envelope))
            try await expectAccepted(envelopes, by: "BuildResult", of: "build_result.ncl")
        }
    }

    /// The arguments name the runner's folders; a person wants to know what comes to his own machine, and where.
    @Test func whereOutputsWouldGo() async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\nCOPY . /\n")
            let run = try await folder.run(
                flat(["--output", "made", "--output", "type=oci,dest=out/app.tar", "--progress", "plain"]))
            #expect(run.status == 0, "\(run.errors)")
            let outputs = run.envelope?["plan"]?["outputs"]
            #expect(outputs?.arrayValue?.map { $0["type"] } == ["local", "oci"])
            for (index, (type, name)) in [("local", "made"), ("oci", "out/app.tar")].enumerated() {
                let dest = try #require(outputs?[index]?["dest"]?.stringValue)
                #expect(dest.hasPrefix("/") && dest.hasSuffix("/\(name)"))
                #expect(run.errors.contains("output: \(type) to \(dest)\n"), "\(run.errors)")
            }
        }
    }

    @Test func thePlanOfFlags() async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\nCOPY . /\n")
            try folder.write("app/large.bin", String(repeating: "x", count: 123_456))
            try folder.write("app/skipped.log", "x")
            try folder.write("app/.dockerignore", "*.log\n")
            let run = try await folder.run(flat(["--cpu", "3", "--report", "r.html", "--progress", "plain"]))
            #expect(run.status == 0)
            let envelope = try #require(run.envelope)
            #expect(
                envelope["sizing"] == [
                    "source": "explicit", "cpu": 4, "memory_gb": 8, "time_budget_minutes": 30, "tier": "cx32",
                ])
            #expect(envelope["context"]?["files"] == 3)
            #expect(envelope["context"]?["excluded_files"] == 1)
            #expect(
                envelope["plan"]?["context"]?["largest"]?.arrayValue?[0] == ["path": "large.bin", "bytes": 123_456])
            #expect(envelope["runner"] == .null && envelope["events"] == .null && envelope["volume"] == .null)
            #expect(envelope["plan"]?["volume"] == ["from": ["ci/acme/app"], "to": "ci/acme/app"])
            #expect(Set(run.warningCodes) == ["history_unavailable"])
            for line in [
                "runner: cx32 (4 cores, 8 GB, 30 minutes), as asked for", "image: localhost:5000/acme/app:1",
                "cache from: localhost:5000/acme/ci/acme/app:cache", "cache to: localhost:5000/acme/ci/acme/app:cache",
                "volume from: ci/acme/app", "volume to: ci/acme/app",
                "context: 3 files, 123.4 kB would travel; 1 file kept back", "large.bin (123.4 kB)",
                "a dry run: nothing was spawned",
            ] {
                #expect(run.errors.contains(line), "\(line)")
            }
            let report = try String(contentsOf: folder.url.appending(path: "r.html"), encoding: .utf8)
            #expect(report.contains("Planned in") && report.contains("large.bin"))
        }
    }

    @Test(arguments: ["plain", "json", "quiet"])
    func noValueOfABuildArgumentIsShown(form: String) async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            try folder.write("s.txt", "sesame-of-file")
            let run = try await folder.run(
                flat([
                    "--build-arg", "A=sesame-of-flag", "--build-arg", "B", "--secret", "id=s,src=s.txt", "--secret",
                    "id=t,env=T", "--progress", form,
                ]),
                environment: ["B": "sesame-of-environment", "T": "sesame-of-secret", "ORCHESTRATOR_TOKEN": "sesame-t"])
            #expect(run.status == 0)
            #expect(!run.output.contains("sesame"))
            #expect(!run.errors.contains("sesame"))
            #expect(run.output.contains("build-arg:A=***"))
            #expect(run.output.contains("build-arg:B=***"))
            if form == "quiet" { #expect(run.errors.isEmpty) }
        }
    }

    @Test func thePlanNamesTheVolume() async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            let cases: [([String], JSONValue)] = [
                (["--volume", "off"], nil), (["--image", "localhost:5000/acme/my_app:1"], nil),
                (["--volume", "nightly"], ["from": ["ci/acme/nightly"], "to": "ci/acme/nightly"]),
                (["--actor", "ada"], ["from": ["dev/ada-acme/app", "ci/acme/app"], "to": "dev/ada-acme/app"]),
            ]
            var envelopes: [JSONValue] = []
            for (flags, volume) in cases {
                let base = flat().filter {
                    !flags.contains("--image") || !["--image", "localhost:5000/acme/app:1"].contains($0)
                }
                let run = try await folder.run(base + flags + ["--progress", "quiet"])
                #expect(run.envelope?["plan"]?["volume"] == volume, "\(flags): \(run.output)")
                envelopes.append(try #require(run.envelope))
            }
            try await expectAccepted(envelopes, by: "BuildResult", of: "build_result.ncl")
        }
    }

    @Test func whatShouldNotTravelIsToldOf() async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            try folder.write("app/.env", "A=1\n")
            try folder.write("app/.git/config", "[core]\n")
            try folder.write(
                "app/keys/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n\(String(repeating: "A", count: 70))\n")
            let run = try await folder.run(flat())
            #expect(run.status == 0)
            #expect(
                Set(run.warningCodes).isSuperset(of: [
                    "context_env_file", "context_git_folder", "context_private_key",
                ]))
        }
    }

    @Test func itTouchesNeitherSpawnNorNATS() async throws {
        try await withProgramFolder { folder in
            try folder.write("app/Dockerfile", "FROM scratch\n")
            try await withScriptedHTTPServer { orchestrator in
                try await withScriptedHTTPServer { nats in
                    let run = try await folder.run(
                        flat(
                            ["--nats-url", "nats://127.0.0.1:\(nats.port)"],
                            orchestrator: ["--orchestrator-url", orchestrator.url]))
                    #expect(run.status == 0)
                    #expect(run.warningCodes == ["history_unavailable"])
                    #expect(nats.connections == 0)
                }
                #expect(orchestrator.requests().map(\.method) == ["GET"])
            }
        }
    }
}
