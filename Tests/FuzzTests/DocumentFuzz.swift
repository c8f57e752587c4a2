import Foundation
import LianModel
import LianTestSupport

/// Directives and JSON in general, from good documents that were bent.
struct DocumentFuzz {
    static let secret = "hunter22-s3same"

    private var random: SeededGenerator

    init(_ random: SeededGenerator) {
        self.random = random
    }

    mutating func run() throws {
        let bytes = mutated(Self.document, &random)
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue.parse(bytes)
        } catch {
            guard error.line > 0, error.column > 0, !error.reason.isEmpty,
                !error.description.contains(Self.secret)
            else { throw failure(bytes, "\(error)") }
            return
        }
        let encoded = value.encodedBytes()
        guard try JSONValue.parse(encoded).encodedBytes() == encoded else {
            throw failure(bytes, "lost when read again")
        }
        try decode(value, bytes)
        // The same as a tree: pieces swapped that keep it JSON.
        var tree = value
        for _ in 0..<Int.random(in: 1...4, using: &random) { tree = bent(tree) }
        try decode(tree, bytes)
    }

    private func decode(_ value: JSONValue, _ bytes: [UInt8]) throws {
        do throws(SchemaViolation) {
            let directives = try BuildDirectives(JSONNode(value))
            guard directives.artifactsInBuildOrder.count == directives.artifacts.count else {
                throw SchemaViolation(path: "artifacts", rule: "lost one")
            }
        } catch {
            guard !error.rule.isEmpty, !error.rule.hasPrefix("lost"),
                !error.description.contains(Self.secret)
            else { throw failure(bytes, error.description) }
        }
        do throws(SchemaViolation) {
            _ = try BuildSpec(JSONNode(value))
        } catch {
            guard !error.rule.isEmpty else { throw failure(bytes, "no rule") }
        }
    }

    private mutating func bent(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(var members) where !members.isEmpty && !random.oneIn(6):
            let key = random.pick(members.keys.sorted())
            switch Int.random(in: 0..<6, using: &random) {
            case 0: members.removeValue(forKey: key)
            case 1: members[key + "x"] = members.removeValue(forKey: key)
            default: members[key] = bent(members[key] ?? .null)
            }
            return .object(members)
        case .array(var items) where !items.isEmpty && !random.oneIn(6):
            let index = Int.random(in: 0..<items.count, using: &random)
            if random.oneIn(4) { items.append(items[index]) } else { items[index] = bent(items[index]) }
            return .array(items)
        default: return leaf()
        }
    }

    private mutating func leaf() -> JSONValue {
        let leaves: [JSONValue] = [
            .null, true, 0, -1, 4.5, 1e300, .integer(.max), "", "ci", "session", "..", "/", "a\u{0}b",
            .string(String(repeating: "x", count: 300)), [], [:], ["a"], ["via": "env", "name": "A"],
        ]
        return random.pick(leaves)
    }

    private func failure(_ bytes: [UInt8], _ reason: String) -> FuzzFailure {
        FuzzFailure(description: "\(String(decoding: bytes, as: UTF8.self)): \(reason)")
    }

    private static let document: [UInt8] = {
        let credential: JSONValue = ["via": "vault", "path": "secret/ci#password", "username": "u"]
        let document: JSONValue = [
            "schema_version": "1", "workspace": "acme",
            "artifacts": [
                [
                    "name": "app", "context": "app", "image": "reg.example/acme/app:1", "dockerfile": "D",
                    "target": "t", "tags": ["reg.example/acme/app:2"], "platforms": ["linux/amd64"],
                    "build_args": ["A": .string(secret)], "labels": ["a": "b"],
                    "secrets": [["id": "s", "ref": ["via": "env", "name": "S"]]],
                    "extra_contexts": ["x": "docker-image://reg.example/b:1"], "no_cache": false,
                    "no_cache_filter": ["t"], "pull": true, "push": false, "annotations": ["index:a": "b"],
                    "compression": "zstd", "compression_level": 3, "add_hosts": ["h": "::1"],
                    "ulimits": ["nofile=1:2"], "shm_size": "64m", "network": "none", "allow": ["network.host"],
                    "cache_from": ["type=gha"],
                    "cache_to": [.string("type=s3,bucket=b,prefix=\(secret)"), "reg.example/acme/ci/x:1"],
                    "attest": ["sbom": true, "provenance": "max"], "depends_on": ["base"],
                ], ["name": "base", "context": "base", "image": "reg.example/acme/base:1"],
            ],
            "compute": [
                "provider": "hcloud", "region": "r", "orchestrator_url": "https://o.example",
                "tiers": [
                    ["name": "a", "cpu": 1, "memory_gb": 1], ["name": "b", "cpu": 2, "memory_gb": 2.5],
                ],
            ],
            "registry": ["provider": "zot", "endpoint": "reg.example", "namespace": "acme", "credential": credential],
            "cache": [
                "mode": ["kind": "session", "actor": ["id": "mei", "kind": "human"]], "disposition": "retain",
                "volume": ["name": "app"],
            ],
            "runner": ["cpu": 2, "memory_gb": 4, "time_budget_min": 60, "tier": "a"], "language": "go",
            "nats": ["url": "tls://n.example:4222", "nkey": ["via": "file", "path": "/n"]],
        ]
        return document.encodedBytes()
    }()
}
