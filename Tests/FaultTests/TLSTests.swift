import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 59: whoever is not the orchestrator that is meant gets no token; who has no good token gets nothing.
    @Suite struct TLSTests {
        @Test("row 59: over TLS an unknown token is refused, and a failure too many as well")
        func unknownToken() async throws {
            try await withScene { scene in
                let authority = try await TestAuthority(in: scene.folder)
                try await withOrchestrator(authority: authority) { orchestrator in
                    // The eleventh failure of one address is answered otherwise, and means the same.
                    for _ in 0..<11 {
                        let build = try await scene.build(
                            environment: [
                                "ORCHESTRATOR_URL": orchestrator.url, "ORCHESTRATOR_CA": authority.certificate,
                            ])
                        #expect(build.status == 3 && build.errorCode == "orchestrator_refused", "\(build.story)")
                        #expect(build.hint.contains("ORCHESTRATOR_TOKEN") && build["runner"] == .null)
                    }
                }
            }
        }

        enum Pretence: String, CaseIterable {
            case otherAuthority, noAuthority, expired, otherName
        }

        @Test("row 59: a certificate that does not hold: nothing is sent", arguments: Pretence.allCases)
        func badCertificate(_ pretence: Pretence) async throws {
            try await withScene { scene in
                let authority = try await TestAuthority(in: scene.folder)
                let stranger = try await TestAuthority(in: scene.folder, named: "stranger")
                let server = try await TLSServer.start(
                    try await authority.server(
                        names: pretence == .otherName ? "DNS:elsewhere.example" : "IP:127.0.0.1",
                        days: pretence == .expired ? -1 : 2), .tells, in: scene.folder)
                defer { server.stop() }
                let trusted =
                    switch pretence {
                    case .noAuthority: String?.none
                    case .otherAuthority: stranger.certificate
                    case .expired, .otherName: authority.certificate
                    }
                let flags = trusted.map { ["--orchestrator-ca", $0] } ?? []
                let build = try await scene.build(flags, environment: ["ORCHESTRATOR_URL": server.url])
                #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
                #expect(build.message.contains("its certificate does not hold"))
                #expect(build.hint.contains("--orchestrator-ca") && build.hint.contains("127.0.0.1"))
                #expect(build["runner"] == .null && build.duration < .seconds(60))
                // Everything that the server read is in its output.
                #expect(!server.output.contains("HTTP/1.1"), "\(server.output)")
            }
        }

        @Test("row 59: plain HTTP to a port that speaks TLS, and the other way round: told at once")
        func wrongScheme() async throws {
            try await withScene { scene in
                let authority = try await TestAuthority(in: scene.folder)
                for (served, asked) in [(authority, "http"), (nil, "https")] {
                    try await withOrchestrator(authority: served) { orchestrator in
                        let url = "\(asked)://127.0.0.1:\(orchestrator.port)"
                        let build = try await scene.build(
                            environment: ["ORCHESTRATOR_URL": url, "ORCHESTRATOR_CA": authority.certificate])
                        #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
                        #expect(build.message.contains(served == nil ? "it speaks plain HTTP" : "it speaks TLS"))
                        #expect(build.hint.contains("--orchestrator-url \(orchestrator.url) "))
                        #expect(build["runner"] == .null && build.duration < .seconds(60))
                    }
                }
            }
        }

        /// Speaks TLS at an address that is not loopback's, and writes down what connections begin with.
        private static let server = """
            import socket, ssl, subprocess, sys
            record, certificate, key = sys.argv[1:]
            subprocess.run("ip link set lo up && ip address add 192.0.2.1/32 dev lo", shell=True, check=True)
            listener = socket.create_server(("192.0.2.1", 9011))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            print("listening", flush=True)
            while True:
                connection, _ = listener.accept()
                with open(record, "ab") as file:
                    file.write(connection.recv(65536, socket.MSG_PEEK))
                try:
                    context.wrap_socket(connection, server_side=True)
                except OSError:
                    pass
                connection.close()
            """

        @Test("row 59: plain HTTP to another machine's port that speaks TLS: no token is sent", .needsRoot)
        func tokenInClear() async throws {
            try await withScene { scene in
                let files = try await TestAuthority(in: scene.folder).server()
                let record = scene.folder.appending(path: "record")
                let server = try RunningProcess(
                    Command(
                        "/usr/bin/unshare",
                        ["--net", "python3", "-c", Self.server, record.path, files.certificate, files.key],
                        environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"]),
                    outputFile: scene.folder.appending(path: "server"))
                defer { server.stop() }
                try #require(await eventually { server.output.contains("listening") }, "\(server.output)")
                let line = [
                    "--net=/proc/\(server.pid)/ns/net", Project.executable("lian-build"), "build", "--workspace",
                    scene.workspace, "--context", try scene.context(), "--image", scene.image,
                ]
                let build = try await scene.finish(
                    try scene.start(
                        Command(
                            "/usr/bin/nsenter", line,
                            environment: scene.environment(["ORCHESTRATOR_URL": "http://192.0.2.1:9011"]),
                            workingDirectory: scene.folder.path)))
                server.stop()
                #expect(build.status == 3 && build.message.contains("it speaks TLS"), "\(build.story)")
                #expect(build.hint.contains("https://192.0.2.1:9011"))
                let bytes = try Data(contentsOf: record)
                // The first byte of a greeting by TLS.
                #expect(bytes.first == 0x16)
                #expect(bytes.firstRange(of: Data("Authorization".utf8)) == nil)
            }
        }
    }
}
