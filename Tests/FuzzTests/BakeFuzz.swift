import Foundation
import LianModel
import LianTestSupport

/// What bake may print, put together of good parts, and the same with one thing wrong, against `from_bake`.
struct BakeFuzz {
    private var random: SeededGenerator

    init(_ random: SeededGenerator) {
        self.random = random
    }

    /// Targets that are made from those behind them, of which each key is one that directives can say.
    mutating func document() -> JSONValue {
        let names = Array(["app", "Web_UI", "base", "lint-1", "x.y"].shuffled(using: &random).prefix(2))
        var targets: [String: JSONValue] = [:]
        for (index, name) in names.enumerated() { targets[name] = target(above: names[(index + 1)...]) }
        guard random.oneIn(2) else { return ["target": .object(targets)] }
        return [
            "group": [
                "default": ["targets": ["all", .string(names[0])]], "all": ["targets": .array([.string(names[1])])],
            ],
            "target": .object(targets),
        ]
    }

    /// A document of which one value is another.
    mutating func bentDocument() -> JSONValue {
        guard var targets = document()["target"]?.objectValue else { return .null }
        let name = random.pick(targets.keys.sorted())
        var members = targets[name]?.objectValue ?? [:]
        let keys = Self.values.keys.sorted() + ["ssh", "inherits", "dockerfile-inline", "contexts", "policy"]
        members[random.pick(keys)] = random.pick(Self.leaves)
        targets[name] = .object(members)
        return random.oneIn(10) ? ["target": random.pick(Self.leaves)] : ["target": .object(targets)]
    }

    private mutating func target(above others: ArraySlice<String>) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for key in Self.values.keys.sorted() where random.oneIn(6) {
            members[key] = random.pick(Self.values[key] ?? [])
        }
        var contexts: [String: JSONValue] = [:]
        for other in others where random.oneIn(2) {
            contexts[other.lowercased().replacing("_", with: "-")] = .string("target:\(other)")
        }
        if random.oneIn(3) { contexts["alpine"] = "docker-image://alpine:3.20" }
        if !contexts.isEmpty { members["contexts"] = .object(contexts) }
        return .object(members)
    }

    private static let values: [String: [JSONValue]] = [
        "context": [".", "a/b", "https://git.example/a.git#main"], "dockerfile": ["Dockerfile", "./a/Dockerfile"],
        "tags": [["app"], ["acme/app:1", "reg.example/app"], ["reg.example:5000/a/b:c"], []],
        "args": [["A": "1", "B": .null], [:]], "labels": [["a.b/c": "d e"]], "target": ["final", .null],
        "annotations": [["a=b"], ["index:a=b", "a="]], "platforms": [["local"], ["linux/amd64", "linux/arm64"]],
        "cache-from": [[["type": "registry", "ref": "a/b:c"]], ["type=gha,scope=a"], []],
        "cache-to": [[["type": "inline"]], ["type=s3,bucket=b,region=r,mode=max"]],
        "secret": [[["id": "a", "env": "A"], ["id": "b", "src": "b"]], ["id=NPM_TOKEN"]],
        "output": [
            [["type": "registry"]], ["type=image,push=true,compression=zstd,compression-level=3"], ["type=cacheonly"],
            ["type=image,name=reg.example/o:1"],
        ],
        "attest": [["type=provenance,mode=min", "type=sbom"], [["type": "provenance", "disabled": true]]],
        "network": ["none", "host", "default"], "shm-size": ["64m", "1"], "ulimits": [["nofile=1:2"]],
        "extra-hosts": [["h": "10.0.0.7", "v6": "::1"]], "entitlements": [["network.host"]], "pull": [true, false],
        "no-cache": [true, .null], "no-cache-filter": [["a"]], "call": ["build"], "description": ["d"],
    ]

    private static let leaves: [JSONValue] = [
        0, -1, 4.5, true, false, "", "a", "a=b", "type=", "type=local,dest=.", "..", "/", "a\u{0}b", "target:none", "é",
        "${A}", "cwd://x", [], [:], [""], ["a"], ["a=b"], ["type=x"], ["type=registry"], ["id="], ["a", 1], [[]],
        [[:]], [["type": "image", "push": true]], [["type": "image", "compression-level": "-1"]],
        [["type": "registry", "ref": "A"]], ["A": "1"], ["a b": "c"], ["a": 1], ["": ""], ["a": "target:none"],
        ["a": "oci-layout://x"], [["id": "a", "paths": ["/x"]]],
    ]
}

/// Directives of many documents at once, and what is wrong with them; nil where nothing is.
func problemOfBakeDocuments(_ documents: [JSONValue], in folder: URL, named name: String) async throws -> String? {
    try Data(JSONValue.array(documents).encodedBytes()).write(to: folder.appending(path: "\(name).json"))
    let answer = try await nickelExport(
        """
        let { from_bake, .. } = import "from_bake.ncl" in
        let settings = {
          workspace = "acme",
          compute = { provider = 'local },
          registry = { provider = 'zot, endpoint = "localhost:5000" },
        } in
        std.array.map (from_bake settings) (import "\(name).json")
        """, named: "\(name).ncl", in: folder)
    guard let made = answer.value?.arrayValue else { return answer.diagnostic }
    for (document, directives) in zip(documents, made) {
        if let violation = DirectivesTable.violation(of: directives, as: "directives") {
            return "\(violation): \(document.encoded())"
        }
        let artifacts = directives["artifacts"]?.arrayValue ?? []
        let images = artifacts.map { ($0["name", or: ""], "docker-image://\($0["image", or: ""])") }
        for artifact in artifacts {
            let contexts = artifact["extra_contexts"]?.objectValue?.values.compactMap(\.stringValue) ?? []
            for name in artifact["depends_on"]?.arrayValue ?? [] {
                guard let needed = images.first(where: { .string($0.0) == name }), contexts.contains(needed.1) else {
                    return "\(name.encoded()) is not there for \(artifact.encoded()): \(document.encoded())"
                }
            }
        }
    }
    return nil
}
