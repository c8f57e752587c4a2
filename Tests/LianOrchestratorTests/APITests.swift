import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The contract over HTTP, by the real program.
@Suite struct APITests {
    /// A key that is one, though nobody has its other half.
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT"

    private func order(_ change: (inout [String: JSONValue]) -> Void = { _ in }) -> JSONValue {
        var members: [String: JSONValue] = [
            "workspace": "acme", "build_id": "b-1", "attempt": 1, "size": ["cpu": 1, "memory_mb": 512],
            "time_budget_minutes": 10, "lease_seconds": 60, "ssh_public_key": .string(Self.key),
        ]
        change(&members)
        return .object(members)
    }

    private func expectFailure(_ answer: PlainHTTPResponse, _ status: Int, _ code: String) {
        #expect(answer.status == status, "\(answer.json.encoded())")
        #expect(answer.headers["content-type"] == "application/json")
        #expect(answer.json["success"] == false)
        #expect(answer.json["data"] == .null)
        #expect(answer.json["error"]?["code"]?.stringValue == code)
        #expect(answer.json["error"]?["message"]?.stringValue?.isEmpty == false)
    }

    @Test func whatNeedsNoRunner() async throws {
        try await withOrchestrator { orchestrator in
            let port = orchestrator.port
            let health = try await exchange(port: port, "GET", "/healthz")
            #expect(health.status == 200)
            #expect(health.json["data"]?["status"] == "ok")
            #expect(health.json["data"]?["provider"] == "local")
            #expect(["buildkit", "dockerd", "docker"].contains(health.json["data"]?["engine"]?.stringValue))

            for authorization in [nil, "", "Bearer wrong", "Basic \(orchestrator.token)", orchestrator.token] {
                let headers = authorization.map { ["Authorization": $0] } ?? [:]
                let answer = try await exchange(port: port, "GET", "/api/v1/runners", headers: headers)
                expectFailure(answer, 401, "unauthorized")
                #expect(answer.headers["www-authenticate"] == "Bearer")
            }

            for path in [
                "/metrics/x", "/api/v1/builds/x", "/api/v1/overview/x", "/parts", "/parts/page", "/api",
                "/api/v2/runners", "/healthz/x",
                "/api/v1/runners/r-1/x", "/api/v1/workspaces/a/x",
            ] {
                expectFailure(try await orchestrator.request("GET", path), 404, "not_found")
            }
            for (method, path, allowed) in [
                ("DELETE", "/api/v1/runners", "GET, POST"), ("HEAD", "/healthz", "GET"),
                ("PUT", "/api/v1/runners/r-1", "DELETE, GET"),
                ("GET", "/api/v1/runners/r-1/heartbeat", "POST"), ("POST", "/api/v1/workspaces/a/p95", "GET"),
                ("BREW", "/api/v1/workspaces/a/metrics", "POST"), ("POST", "/metrics", "GET"),
                ("DELETE", "/api/v1/builds", "GET"), ("PUT", "/api/v1/overview", "GET"),
            ] {
                let answer = try await orchestrator.request(method, path)
                #expect(answer.status == 405)
                #expect(answer.headers["allow"] == allowed)
            }

            for path in [
                "/api/v1/runners/" + String(repeating: "a", count: 65), "/api/v1/runners/", "/api/v1/runners/a.b",
                "/api/v1/runners/%00", "/api/v1/runners/a%2Fb", "/api/v1/runners/%zz", "/api/v1/runners/r?wait=31",
                "/api/v1/runners/r?wait=", "/api/v1/runners/r?wait=1.5", "/api/v1/runners/r?wait=-1",
                "/api/v1/runners/r?wait=+1",
                "/api/v1/runners/r?wait=1&wait=1", "/api/v1/runners?workspace=A", "/api/v1/runners?workspace=",
                "/api/v1/workspaces/a--b/p95", "/api/v1/builds?before=x", "/api/v1/builds?limit=501",
            ] {
                expectFailure(try await orchestrator.request("GET", path), 400, "invalid_request")
            }
            expectFailure(try await orchestrator.request("GET", "/api/v1/runners/r-1"), 404, "not_found")
            expectFailure(try await orchestrator.request("DELETE", "/api/v1/runners/r-1"), 404, "not_found")
            expectFailure(try await orchestrator.request("POST", "/api/v1/runners/r-1/heartbeat"), 404, "not_found")
            let list = try await orchestrator.request("GET", "/api/v1/runners?workspace=acme")
            #expect(list.status == 200)
            #expect(list.json == ["success": true, "data": [], "error": nil])
        }
    }

    @Test func spawnRequestsThatAreRefused() async throws {
        try await withOrchestrator { orchestrator in
            let path = "/api/v1/runners"
            for key in [nil, "", "1234567", String(repeating: "k", count: 129), "with space", "ümlaut-key"] {
                let headers = key.map { ["Idempotency-Key": $0] } ?? [:]
                expectFailure(
                    try await orchestrator.request("POST", path, headers: headers, body: order()), 400,
                    "invalid_request")
            }
            let headers = ["Idempotency-Key": "key-of-the-test"]
            let malformed: [JSONValue] = [
                "text", [], [:], order { $0["workspace"] = "A b" }, order { $0["build_id"] = "" },
                order { $0["build_id"] = "a/b" }, order { $0["attempt"] = 3 }, order { $0["attempt"] = "1" },
                order { $0["size"] = ["cpu": 0, "memory_mb": 512] },
                order { $0["size"] = ["cpu": 1, "memory_mb": 511] },
                order { $0["size"] = ["cpu": 1.5, "memory_mb": 512] }, order { $0["lease_seconds"] = 9 },
                order { $0["lease_seconds"] = 3601 }, order { $0["time_budget_minutes"] = 0 },
                order { $0["ssh_public_key"] = "ssh-dss AAAA" }, order { $0["ssh_public_key"] = nil },
                order { $0["ssh_public_key"] = .string("command=\"x\" " + Self.key) },
                order { $0["ssh_public_key"] = .string(Self.key + "\n" + Self.key) },
                order { $0["ssh_public_key"] = .string(Self.key + " " + String(repeating: "c", count: 1024)) },
                order { $0["labels"] = ["a": 1] },
                order {
                    $0["labels"] = nil; $0["labels"] = .null
                },
                order { $0["provider"] = 1 },
            ]
            for body in malformed {
                expectFailure(
                    try await orchestrator.request("POST", path, headers: headers, body: body), 400, "invalid_request")
            }
            for text in ["", "{", "{\"a\":1}{", "\u{0}", "{\"workspace\":\"a\",\"workspace\":\"b\"}"] {
                let answer = try await exchange(
                    port: orchestrator.port, "POST", path,
                    headers: headers.merging(["Authorization": "Bearer \(orchestrator.token)"]) { $1 },
                    body: Array(text.utf8))
                expectFailure(answer, 400, "invalid_request")
            }
            let unservable: [JSONValue] = [
                order { $0["provider"] = "hcloud" }, order { $0["region"] = "mars" }, order { $0["image"] = "img-1" },
                order { $0["platform"] = "linux/riscv64" }, order { $0["ssh_public_key"] = "ssh-ed25519 AAAA" },
            ]
            for body in unservable {
                expectFailure(
                    try await orchestrator.request("POST", path, headers: headers, body: body), 422, "unservable")
            }
            #expect(try await orchestrator.request("GET", path).json["data"] == [])
        }
    }

    @Test func bodiesAreCapped() async throws {
        try await withOrchestrator { orchestrator in
            let headers = ["Authorization": "Bearer \(orchestrator.token)", "Idempotency-Key": "key-of-the-test"]
            for size in [1 << 20, (1 << 20) + 1, 5 << 20, 20 << 20] {
                let answer = try await onOwnThread { [port = orchestrator.port] in
                    Result {
                        let connection = try PlainHTTPConnection(port: port)
                        var padded = headers
                        padded["Content-Length"] = String(size)
                        // Beyond what it reads and drops, the server answers before the body has come.
                        let body = [UInt8](repeating: UInt8(ascii: " "), count: size > 16 << 20 ? 0 : size)
                        let head = PlainHTTPConnection.request(
                            "POST", "/api/v1/workspaces/acme/metrics", headers: padded)
                        _ = connection.send(head + body)
                        return try connection.receive()
                    }
                }.get()
                if size == 1 << 20 {
                    expectFailure(try #require(answer), 400, "invalid_request")
                } else {
                    expectFailure(try #require(answer), 413, "payload_too_large")
                }
            }
            #expect(try await orchestrator.request("GET", "/healthz").status == 200)
        }
    }

    @Test func aRunnersLifeByTheContract() async throws {
        try await withOrchestrator(flags: ["--capacity", "1"]) { orchestrator in
            let headers = ["Idempotency-Key": "key-of-the-test"]
            func spawn(_ key: String, _ body: JSONValue) async throws -> PlainHTTPResponse {
                try await orchestrator.request("POST", "/api/v1/runners", headers: ["Idempotency-Key": key], body: body)
            }
            let spawned = try await spawn("key-of-the-test", order())
            #expect(spawned.status == 201)
            let id = try #require(spawned.json["data"]?["runner_id"]?.stringValue)
            #expect(spawned.json["data"]?["workspace"] == "acme")

            let again = try await spawn("key-of-the-test", order())
            #expect(again.status == 200)
            #expect(again.json["data"]?["runner_id"]?.stringValue == id)
            expectFailure(try await spawn("key-of-the-test", order { $0["attempt"] = 2 }), 409, "conflict")
            let full = try await spawn("another-key", order())
            expectFailure(full, 429, "capacity")
            #expect(full.headers["retry-after"].flatMap { Int($0) } != nil)

            let ready = try await orchestrator.request("GET", "/api/v1/runners/\(id)?wait=30")
            let answer = try RunnerAnswer(JSONNode(try #require(ready.json["data"])))
            #expect(answer.state == .ready)
            try answer.checkArrival()
            let runner = try ReadyRunner(answer)
            #expect(runner.hostKeys.map(\.algorithm) == ["ssh-ed25519"])
            #expect(try await orchestrator.request("GET", "/api/v1/runners?workspace=other").json["data"] == [])
            let listed = try await orchestrator.request("GET", "/api/v1/runners?workspace=acme").json["data"]
            #expect(listed?[0]?["runner_id"]?.stringValue == id)

            let before = try #require(answer.expiresAt.flatMap(UTCTime.init(rfc3339:)))
            let renewed = try await orchestrator.request("POST", "/api/v1/runners/\(id)/heartbeat")
            #expect(renewed.status == 200)
            let after = try #require(renewed.json["data"]?["expires_at"]?.stringValue.flatMap(UTCTime.init(rfc3339:)))
            #expect(after >= before)

            for _ in 0..<2 {
                let gone = try await orchestrator.destroy(id)
                #expect(gone.status == 200)
                #expect(gone.json["data"]?["state"] == "gone")
            }
            expectFailure(try await orchestrator.request("GET", "/api/v1/runners/\(id)"), 404, "not_found")
            expectFailure(try await orchestrator.request("POST", "/api/v1/runners/\(id)/heartbeat"), 410, "gone")
            let replayed = try await orchestrator.request("POST", "/api/v1/runners", headers: headers, body: order())
            #expect(replayed.status == 200)
            #expect(replayed.json["data"]?["state"] == "gone")
            #expect(try await orchestrator.remainsInTheEnd().isEmpty)
        }
    }

    @Test func metricsAndP95() async throws {
        try await withOrchestrator { orchestrator in
            func p95() async throws -> JSONValue? {
                try await orchestrator.request("GET", "/api/v1/workspaces/acme/p95").json["data"]
            }
            func post(_ body: JSONValue) async throws -> PlainHTTPResponse {
                try await orchestrator.request("POST", "/api/v1/workspaces/acme/metrics", body: body)
            }
            #expect(try await p95()?["samples"] == 0)
            for build in 1...21 {
                let answer = try await post([
                    "build_id": .string("b-\(build)"), "attempt": 1, "outcome": "succeeded",
                    "cpu_peak": .number(Double(build)),
                    "duration_seconds": 2,
                ])
                #expect(answer.status == 202)
                #expect(answer.json == ["success": true, "data": nil, "error": nil])
            }
            expectFailure(
                try await post(["build_id": "b-1", "attempt": 1, "outcome": "x", "duration_seconds": 2]), 400,
                "invalid_request")
            expectFailure(
                try await post(["build_id": "b-1", "attempt": 1, "outcome": "oom", "duration_seconds": -1]), 400,
                "invalid_request")
            orchestrator.kill()
            try await orchestrator.start()
            let history = try #require(try await p95())
            #expect(history["samples"] == 21)
            #expect(history["cpu_p95"] == 20)
            #expect(history["memory_mb_p95"] == .null)
        }
    }

    @Test func waitsHoldUpNobody() async throws {
        try await withOrchestrator(flags: ["--capacity", "1"]) { orchestrator in
            let headers = ["Authorization": "Bearer \(orchestrator.token)"]
            let order = order()
            let spawned = try await orchestrator.request(
                "POST", "/api/v1/runners", headers: ["Idempotency-Key": "key-of-the-test"], body: order)
            let id = try #require(spawned.json["data"]?["runner_id"]?.stringValue)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 {
                    group.addTask { [port = orchestrator.port] in
                        try await exchange(port: port, "GET", "/api/v1/runners/\(id)?wait=30", headers: headers).status
                    }
                }
                for _ in 0..<20 { #expect(try await orchestrator.request("GET", "/healthz").status == 200) }
                for try await status in group { #expect(status == 200) }
            }
            try await orchestrator.destroy(id)
        }
    }

    /// Whatever comes in, each request gets its answer and the server goes on. LIAN_FUZZ_REQUESTS makes it longer.
    @Test func randomRequests() async throws {
        let count = ProcessInfo.processInfo.environment["LIAN_FUZZ_REQUESTS"].flatMap { Int($0) } ?? 1000
        try await withOrchestrator(flags: ["--capacity", "1"]) { orchestrator in
            let (port, token) = (orchestrator.port, orchestrator.token)
            let statuses = try await onOwnThread {
                Result {
                    var generator = SeededGenerator(seed: 20_260_101)
                    var statuses: [Int: Int] = [:]
                    for _ in 0..<count {
                        let request = RandomRequest(token: token, using: &generator)
                        let connection = try PlainHTTPConnection(port: port, timeout: .seconds(10))
                        _ = connection.send(request.bytes)
                        let answer = try connection.receive()
                        statuses[answer?.status ?? 0, default: 0] += 1
                        guard request.isHTTP else { continue }
                        guard let answer else { throw FixtureError("no answer to \(request.text)") }
                        let isApiResponse = answer.json["success"]?.boolValue == (answer.status < 300)
                        // The frame of the page is given to anyone.
                        let isPage =
                            answer.status == 200 && answer.headers["content-type"] == "text/html; charset=utf-8"
                        guard (200..<500).contains(answer.status), isApiResponse || isPage else {
                            throw FixtureError("\(answer.status) to \(request.text)")
                        }
                    }
                    return statuses
                }
            }.get()
            #expect(statuses.values.reduce(0, +) == count)
            for status in [200, 202, 400, 401, 404, 405] { #expect(statuses[status, default: 0] > 0, "no \(status)") }
            #expect(try await orchestrator.request("GET", "/healthz").status == 200)
        }
    }
}

/// A request somewhere between what is right and mere noise.
private struct RandomRequest {
    let bytes: [UInt8]
    /// What is not HTTP need not be answered as the API does.
    let isHTTP: Bool

    var text: String { String(decoding: bytes.prefix(400), as: UTF8.self) }

    init(token: String, using generator: inout SeededGenerator) {
        if Int.random(in: 0..<10, using: &generator) == 0 {
            bytes =
                (0..<Int.random(in: 1..<200, using: &generator)).map { _ in UInt8.random(in: 1...255, using: &generator)
                } + Array("\r\n\r\n".utf8)
            isHTTP = false
            return
        }
        isHTTP = true
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &generator) ?? "" }
        let method = pick(["GET", "GET", "POST", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "FOO"])
        let identifier =
            pick(["r-1", "acme", "", "%00", "%", "..", "a%20b", "ü", String(repeating: "x", count: 200)])
            .addingPercentEncoding(withAllowedCharacters: .urlQueryAllowed.union(["%"])) ?? ""
        let path = pick([
            "/healthz", "/api/v1/runners", "/api/v1/runners/\(identifier)", "/api/v1/runners/\(identifier)/heartbeat",
            "/api/v1/workspaces/\(identifier)/p95", "/api/v1/workspaces/\(identifier)/metrics", "/\(identifier)",
        ])
        let query = pick(["", "", "?wait=0", "?wait=99", "?workspace=acme", "?workspace=%ff", "?a=b&&=", "?%"])
        var headers: [String: String] = [:]
        if Bool.random(using: &generator) || Bool.random(using: &generator) {
            headers["Authorization"] = "Bearer \(token)"
        }
        if Bool.random(using: &generator) {
            headers["Idempotency-Key"] = pick(["12345678", "short", "", "a b c d e f"])
        }
        let metrics = "{\"build_id\":\"b\",\"attempt\":1,\"outcome\":\"failed\",\"duration_seconds\":1}"
        var body = Array(
            pick([
                "", "{}", "[]", "null", metrics, metrics, "{\"workspace\":\"acme\",\"size\":{}}", "\"\\ud800\"",
                "1e999",
            ]).utf8)
        if !body.isEmpty, Int.random(in: 0..<4, using: &generator) == 0 {
            body[Int.random(in: 0..<body.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
        bytes = PlainHTTPConnection.request(method, path + query, headers: headers, body: body)
    }
}
