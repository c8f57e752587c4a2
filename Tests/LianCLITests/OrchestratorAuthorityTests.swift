import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// `--orchestrator-ca` and ORCHESTRATOR_CA.
@Suite struct OrchestratorAuthorityTests {
    private static let context = """
        {"schema":"secret-delivery-context/v1","request_id":"r-1","workspace":"acme","checks":["orchestrator"]}
        """

    @Test(arguments: ["missing.pem", "folder", "text", "key.pem"]) func aFileThatHoldsNone(_ name: String) async throws
    {
        try await withProgramFolder { folder in
            try folder.write("folder/Dockerfile", "FROM scratch\n")
            try folder.write("text", "no PEM\n")
            try folder.write("key.pem", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n")
            let build = [
                "build", "--workspace", "acme", "--context", "folder", "--image", "reg.example/acme/app:1", "--ssh-key",
                "ephemeral", "--dry-run", "--orchestrator-url", "https://127.0.0.1:1",
            ]
            for command in [build, ["integrate", "--orchestrator-url", "https://127.0.0.1:1"]] {
                let byFlag = try await folder.run(command + ["--orchestrator-ca", name], input: Self.context)
                let byVariable = try await folder.run(
                    command, environment: ["ORCHESTRATOR_CA": name], input: Self.context)
                for (run, given) in [(byFlag, "--orchestrator-ca"), (byVariable, "ORCHESTRATOR_CA")] {
                    #expect(run.status == 2, "\(run.output)\(run.errors)")
                    #expect(run.errorCode == "invalid_argument")
                    let message = run.envelope?["error"]?["message"]?.stringValue ?? ""
                    #expect(message.hasPrefix("\(given): '\(name)' "), "\(message)")
                }
            }
        }
    }

    /// What the system trusts is trusted as before, and what is given is trusted as well; others are not.
    @Test(.needsRoot) func itStandsBesideTheSystems() async throws {
        try await withProgramFolder { folder in
            let files = folder.url.deletingLastPathComponent()
            let system = files.appending(path: "system")
            try FileManager.default.createDirectory(at: system, withIntermediateDirectories: true)
            let ofSystem = try await TestAuthority(in: system, named: "system")
            // By this name OpenSSL looks an authority up in a folder.
            let hash = try await runTool(
                "/usr/bin/openssl", ["x509", "-noout", "-subject_hash", "-in", ofSystem.certificate])
            try FileManager.default.copyItem(
                atPath: ofSystem.certificate, toPath: "\(system.path)/\(hash.prefix { !$0.isWhitespace }).0")
            let given = try await TestAuthority(in: files, named: "given")
            let stranger = try await TestAuthority(in: files, named: "stranger")
            for (authority, isTrusted) in [(ofSystem, true), (given, true), (stranger, false)] {
                let server = try await TLSServer.start(try await authority.server(), .answers, in: files)
                defer { server.stop() }
                let program = OwnMounts.launcher(preparation: "mount --bind '\(system.path)' /etc/ssl/certs")
                let line =
                    program + [
                        Project.executable("lian-build"), "integrate", "--orchestrator-url", server.url,
                        "--orchestrator-ca", given.certificate,
                    ]
                let result = try await run(
                    Command(line[0], Array(line.dropFirst()), environment: folder.environment),
                    input: .bytes(Array(Self.context.utf8)), deadline: .seconds(120))
                let check = try JSONValue.parse(result.outputText)["checks"]?.arrayValue?.first
                let detail = try #require(check?["detail"]?.stringValue, "\(result.outputText)\(result.errorText)")
                // Trusted, the page of OpenSSL's server is no answer of an orchestrator's.
                #expect(detail.contains("certificate does not hold") == !isTrusted, "\(detail)")
                #expect(detail.contains("breaks its contract") == isTrusted, "\(detail)")
            }
        }
    }
}
