import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct UploadTests {
    private static let target = "/v1/tenants/public/workflows"
    private static let taken = ScriptedHTTPServer.Reply.json(201, ["package_id": "p-1", "tenant_id": "public"])

    /// The same request as the client of Cloacina's own project sends, but for the boundary, which each chooses.
    @Test(.enabled(if: Project.python != nil, "there is no cloacina-client: scripts/test installs it"))
    func itIsSentAsTheReferenceClientDoes() async throws {
        try await withUpload { folder, server in
            server.on("POST", "/v1/tenants/acme/workflows", [Self.taken, Self.taken])
            let run = try await folder.run(
                [
                    "package", "upload", "package.cloacina", "--tenant", "acme", "--server", server.url, "-o", "id",
                ], environment: ["CLOACINA_API_KEY": "clk_x"])
            #expect(run.output == "p-1\n", "\(run.errors)")
            let script = """
                import sys
                from cloacina_client import Client
                Client(sys.argv[1], api_key="clk_x", tenant="acme").upload_workflow(open("package.cloacina", "rb").read())
                """
            let reference = try await folder.run(
                try #require(Project.python), ["-c", script, server.url])
            #expect(reference.status == 0, "\(reference.errors)")
            let requests = server.requests()
            #expect(requests.count == 2)
            let forms = try requests.map { request in
                let type = try #require(request.headers["content-type"])
                let boundary = try #require(type.components(separatedBy: "boundary=").last)
                return (
                    type: type.replacingOccurrences(of: boundary, with: "B"),
                    authorization: request.headers["authorization"],
                    length: request.headers["content-length"] == String(request.body.count),
                    encoding: request.headers["transfer-encoding"],
                    body: latin1(request.body).replacingOccurrences(of: boundary, with: "B")
                )
            }
            #expect(forms[0] == forms[1])
            #expect(forms[0].length)
        }
    }

    @Test func everyAnswerHasItsCode() async throws {
        let problem: JSONValue = ["code": "some_code", "error": "in their words"]
        let cases: [(ScriptedHTTPServer.Reply, String)] = [
            (.json(401, problem), "auth_refused"), (.json(403, problem), "auth_refused"),
            (.json(404, problem), "not_found"), (.json(413, problem), "archive_too_large_for_server"),
            (.json(400, problem), "upload_refused"), (.json(422, problem), "upload_refused"),
            (.json(429, problem), "server_failed"), (.json(503, problem), "server_failed"),
            (.json(201, [:]), "server_answer_invalid"), (.answer(200, Array("<html>".utf8)), "server_answer_invalid"),
            (.answer(307, headers: ["Location": "http://elsewhere.example/"]), "server_redirect"),
            (.endless(201), "server_answer_invalid"), (.reset, "server_unreachable"), (.close, "server_unreachable"),
        ]
        for (reply, code) in cases {
            try await withUpload { folder, server in
                server.on("POST", Self.target, [reply])
                let run = try await folder.run(upload(server), environment: ["K": "clk_secret"])
                #expect(run.status == 3, "\(code)")
                #expect(run.code == code, "\(run.errors)")
                // Whatever came of it, it was sent once.
                #expect(server.requests().count == 1, "\(code)")
                #expect(!(run.output + run.errors).contains("clk_secret"))
                if code == "auth_refused" { #expect(run.errors.contains("some_code, in their words")) }
            }
        }
    }

    /// A server may say the key that it was sent, in whatever it answers.
    @Test func theKeyIsToldByNobody() async throws {
        let refused: JSONValue = ["code": "clk_secret", "error": "the key clk_secret is unknown"]
        for reply in [
            ScriptedHTTPServer.Reply.json(401, refused, headers: ["X-Request-Id": "clk_secret"]),
            .json(201, ["package_id": "clk_secret"]),
        ] {
            try await withUpload { folder, server in
                server.on("POST", Self.target, [reply])
                let run = try await folder.run(upload(server), environment: ["K": "clk_secret"])
                #expect(run.envelope != .null && !(run.output + run.errors).contains("clk_secret"), "\(run.errors)")
            }
        }
        try await withUpload { folder, server in
            server.on("GET", "\(Self.target)/p-1", [.json(200, ["id": "p-1", "seen": "Bearer clk_secret"])])
            let run = try await folder.run(
                ["package", "inspect", "p-1", "--server", server.url, "--api-key", "env:K"],
                environment: ["K": "clk_secret"])
            #expect(run.status == 0 && run.envelope["inspection"]?["server"]?["seen"] == "Bearer ***", "\(run.errors)")
        }
    }

    @Test func theOlderAnswerAndTheRequestsID() async throws {
        try await withUpload { folder, server in
            server.on(
                "POST", Self.target,
                [
                    .json(201, ["id": "old"]),
                    .json(403, ["code": "signature_not_found", "error": "x"], headers: ["X-Request-Id": "r-7"]),
                ])
            let older = try await folder.run(upload(server), environment: ["K": "k"])
            #expect(older.envelope["upload"]?["package_id"] == "old")
            let refused = try await folder.run(upload(server), environment: ["K": "k"])
            #expect(refused.envelope["error"]?["message"]?.stringValue?.contains("request r-7") == true)
            #expect(refused.envelope["error"]?["hint"]?.stringValue?.contains(".sig") == true)
        }
    }

    @Test func nothingIsSentThatIsRefusedForSure() async throws {
        try await withUpload { folder, server in
            try folder.write("old.cloacina", [0x1F, 0x8B, 8])
            try folder.write("a.zip", "PK\u{3}\u{4}")
            try folder.write("large.cloacina", "")
            truncate(folder.path("large.cloacina"), (100 << 20) + 1)
            let cases = [
                ("old.cloacina", "archive_format", 1), ("a.zip", "archive_format", 1),
                ("large.cloacina", "archive_too_large_for_server", 3), ("nowhere", "file_unreadable", 2),
            ]
            for (file, code, status) in cases {
                let run = try await folder.run(upload(server, file), environment: ["K": "k"])
                #expect(run.code == code)
                #expect(run.status == Int32(status))
            }
            #expect(server.requests().isEmpty)
        }
    }

    @Test func whoseKeyGoesWhere() async throws {
        try await withUpload { folder, server in
            for _ in 0..<6 { server.on("POST", Self.target, [Self.taken]) }
            try folder.write("key", "\n  \n clk_file \n")
            try folder.write(
                ".cloacina/config.toml",
                """
                default_profile = "home"
                [profiles.home]
                server = "\(server.url)/"
                api_key = "clk_home"
                [profiles.other]
                server = "http://127.0.0.1:9"
                api_key = "clk_other"
                [profiles.env]
                server = "\(server.url)"
                api_key = "env:K"

                """)
            func run(_ arguments: [String], _ environment: [String: String] = [:]) async throws -> CloacinaRun {
                try await folder.run(
                    ["package", "upload", "package.cloacina"] + arguments, environment: environment)
            }
            let sent: [([String], [String: String], String, [String])] = [
                ([], [:], "clk_home", []), (["--profile", "env"], ["K": "clk_env"], "clk_env", []),
                (["--server", server.url], [:], "clk_home", []),
                (["--api-key", "file:key"], [:], "clk_file", []),
                (["--api-key", "clk_flag"], ["CLOACINA_API_KEY": "clk_e"], "clk_flag", ["secret_on_command_line"]),
                ([], ["CLOACINA_API_KEY": "clk_e"], "clk_e", []),
            ]
            for (arguments, environment, key, warnings) in sent {
                let run = try await run(arguments, environment)
                #expect(run.status == 0, "\(arguments): \(run.errors)")
                #expect(run.warnings == warnings)
                #expect(server.requests().last?.headers["authorization"] == "Bearer \(key)")
            }
            let refused: [([String], String)] = [
                (["--server", "http://127.0.0.1:9"], "key_not_for_server"), (["--profile", "none"], "profile_unknown"),
                (["--profile", "env"], "api_key_missing"), (["--api-key", "keyring:x"], "keyring_unsupported"),
                (["--api-key", "a b"], "api_key_missing"), (["--tenant", ".."], "invalid_argument"),
                (["--server", "ftp://x"], "invalid_argument"),
            ]
            for (arguments, code) in refused {
                let run = try await run(arguments)
                #expect(run.status == 2, "\(arguments)")
                #expect(run.code == code, "\(arguments)")
            }
            try folder.write(".cloacina/config.toml", "profiles = 1\n[")
            #expect(try await run([]).code == "config_invalid")
            try folder.write(".cloacina/config.toml", "")
            #expect(try await run([]).code == "server_missing")
            #expect(server.requests().count == sent.count)
        }
    }

    @Test func aTenantIsOneSegmentOfThePath() async throws {
        try await withUpload { folder, server in
            server.on("POST", "/v1/tenants/a%20b%2Fc/workflows", [Self.taken])
            let run = try await folder.run(upload(server) + ["--tenant", "a b/c"], environment: ["K": "k"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    @Test func aPackageAtTheServer() async throws {
        try await withUpload { folder, server in
            server.on("GET", "\(Self.target)/my-flow", [.json(200, ["name": "my-flow"])])
            let run = try await folder.run(
                ["package", "inspect", "my-flow", "--server", server.url, "--api-key", "env:K"], environment: ["K": "k"]
            )
            #expect(run.envelope["inspection"]?["server"]?["name"] == "my-flow", "\(run.errors)")
        }
    }

    @Test func publishedWithASignature() async throws {
        try await withUpload { folder, server in
            server.on("POST", Self.target, [Self.taken, Self.taken])
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            let publish = ["package", "publish", "etl", "--server", server.url, "--api-key", "env:K"]
            let plain = try await folder.run(publish, environment: ["K": "k"])
            #expect(plain.status == 0, "\(plain.errors)")
            #expect(plain.envelope["upload"]?["package_id"] == "p-1")
            #expect(!FileManager.default.fileExists(atPath: folder.path("etl-0.1.0.cloacina")))
            _ = try await folder.run(["package", "keygen", "--out", "k"])
            let signed = try await folder.run(publish + ["--sign", "k.secret"], environment: ["K": "k"])
            #expect(signed.status == 0, "\(signed.errors)")
            let verified = try await folder.run(["package", "verify", "etl-0.1.0.cloacina", "--key", "k.public"])
            #expect(verified.status == 0)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path("tmp"))
            #expect(left == [])
        }
    }

    private func upload(_ server: ScriptedHTTPServer, _ file: String = "package.cloacina") -> [String] {
        ["package", "upload", file, "--server", server.url, "--api-key", "env:K"]
    }

    private func latin1(_ bytes: [UInt8]) -> String {
        String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }

    private func withUpload(_ body: (CloacinaFolder, ScriptedHTTPServer) async throws -> Void) async throws {
        try await withScriptedHTTPServer { server in
            try await withCloacinaFolder { folder in
                try folder.write("package.cloacina", Array("BZh9".utf8) + Array(0...255))
                try await body(folder, server)
            }
        }
    }
}
