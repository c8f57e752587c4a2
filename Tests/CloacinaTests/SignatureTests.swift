import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct SignatureTests {
    /// openssl takes our keys and signatures, and we take openssl's.
    @Test func opensslAgrees() async throws {
        try await withSignedFolder { folder in
            _ = try await openssl(folder, ["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"])
            _ = try await openssl(folder, ["pkey", "-in", "theirs.pem", "-pubout", "-out", "theirs.pub.pem"])
            chmod(folder.path("theirs.pem"), 0o600)
            for (secret, publicKey) in [("k.secret.pem", "k.public.pem"), ("theirs.pem", "theirs.pub.pem")] {
                let signed = try await folder.run(["package", "sign", archive, "--key", secret])
                #expect(signed.status == 0, "\(signed.errors)")
                #expect(signed.warnings == [])
                let sidecar = try JSONValue.parse(try folder.bytes("\(archive).sig"))
                let signature = try #require(
                    sidecar["signature"]?.stringValue.flatMap { Data(base64Encoded: $0) })
                try folder.write("signature", Array(signature))
                let hash = try #require(sidecar["package_hash"]?.stringValue)
                _ = try await folder.python(
                    "import hashlib; d = hashlib.sha256(open('\(archive)', 'rb').read()); "
                        + "assert d.hexdigest() == '\(hash)'; open('hash', 'wb').write(d.digest())")
                let verdict = try await openssl(
                    folder,
                    [
                        "pkeyutl", "-verify", "-pubin", "-inkey", publicKey, "-rawin", "-in", "hash", "-sigfile",
                        "signature",
                    ])
                #expect(verdict.contains("Signature Verified Successfully"))
                let verified = try await folder.run(["package", "verify", archive, "--key", publicKey])
                #expect(verified.status == 0, "\(verified.errors)")
            }
        }
    }

    @Test func everyFormOfAKey() async throws {
        try await withSignedFolder { folder in
            let raw = try folder.bytes("k.secret")
            #expect(raw.count == 32)
            let environment = [
                "RAW": Data(raw).base64EncodedString(),
                "PEM": String(decoding: try folder.bytes("k.secret.pem"), as: UTF8.self),
                "PUB": String(decoding: try folder.bytes("k.public.pem"), as: UTF8.self),
            ]
            for key in ["k.secret", "k.secret.pem", "file:k.secret", "env:RAW", "env:PEM"] {
                let signed = try await folder.run(
                    ["package", "sign", archive, "--key", key], environment: environment)
                #expect(signed.status == 0, "\(key): \(signed.errors)")
            }
            for key in ["k.public", "k.public.pem", "file:k.public.pem", "env:PUB"] {
                let verified = try await folder.run(
                    ["package", "verify", archive, "--key", key], environment: environment)
                #expect(verified.status == 0, "\(key): \(verified.errors)")
            }
            // Any of several suffices.
            let several = try await folder.run(["package", "verify", archive, "--key", "o.public", "--key", "k.public"])
            #expect(several.status == 0)
        }
    }

    @Test func keysThatAreNone() async throws {
        try await withSignedFolder { folder in
            _ = try await openssl(folder, ["genpkey", "-algorithm", "x25519", "-out", "x.pem"])
            _ = try await openssl(
                folder,
                ["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", "encrypted.pem"])
            try folder.write("short", [1, 2, 3])
            let codes = ["x.pem": "key_invalid", "encrypted.pem": "key_encrypted", "short": "key_invalid"]
            for (key, code) in codes.merging(
                ["env:NONE": "key_invalid", "k.public.pem": "key_invalid"], uniquingKeysWith: { $1 })
            {
                let run = try await folder.run(["package", "sign", archive, "--key", key])
                #expect(run.status == 2, "\(key)")
                #expect(run.code == code, "\(key)")
            }
            chmod(folder.path("k.secret"), 0o644)
            let open = try await folder.run(["package", "sign", archive, "--key", "k.secret"])
            #expect(open.warnings == ["key_unsafe_mode"])
            for command in ["sign", "verify"] {
                let run = try await folder.run(["package", command, archive])
                #expect(run.status == 2)
                #expect(run.code == "key_missing")
            }
        }
    }

    @Test func everyFaultOfASignature() async throws {
        try await withSignedFolder { folder in
            func verify(_ more: [String] = []) async throws -> CloacinaRun {
                try await folder.run(["package", "verify", archive, "--key", "k.public"] + more)
            }
            #expect(try await verify().code == "signature_missing")
            _ = try await folder.run(["package", "sign", archive, "--key", "o.secret"])
            #expect(try await verify().code == "signature_untrusted_key")
            _ = try await folder.run(["package", "sign", archive, "--key", "k.secret"])
            let good = try JSONValue.parse(try folder.bytes("\(archive).sig")).objectValue ?? [:]
            let zeros = JSONValue.string(Data(count: 64).base64EncodedString())
            let faults: [(String, [String: JSONValue])] = [
                ("signature_unsupported", ["version": 2]), ("signature_unsupported", ["algorithm": "rsa"]),
                ("signature_malformed", ["signature": "AAAA"]), ("signature_malformed", ["package_hash": 1]),
                ("signature_hash_mismatch", ["package_hash": .string(String(repeating: "0", count: 64))]),
                ("signature_invalid", ["signature": zeros]),
                ("signature_untrusted_key", ["signature": zeros, "key_fingerprint": "x"]),
            ]
            for (code, changes) in faults {
                try folder.write("\(archive).sig", JSONValue.object(good.merging(changes) { $1 }).encoded())
                let run = try await verify()
                #expect(run.status == 1)
                #expect(run.code == code, "\(changes)")
            }
            try folder.write("\(archive).sig", "no JSON")
            #expect(try await verify().code == "signature_malformed")
            // What it says of the key is not believed: the signature decides.
            try folder.write(
                "\(archive).sig", JSONValue.object(good.merging(["key_fingerprint": "x"]) { $1 }).encoded())
            #expect(try await verify().status == 0)
            #expect(try await verify(["--require", "embedded"]).code == "signature_missing")
        }
    }

    @Test func theEmbeddedSignature() async throws {
        try await withSignedFolder { folder in
            try folder.write("etl/package.sig", "an old one")
            let copied = try await folder.run(["package", "pack", "etl"])
            #expect(copied.warnings == ["package_sig_not_checked"])
            let malformed = try await folder.run(["package", "verify", archive, "--key", "k.public"])
            #expect(malformed.code == "signature_malformed")
            let packed = try await folder.run(["package", "pack", "etl", "--sign-embed", "k.secret"])
            #expect(packed.status == 0, "\(packed.errors)")
            #expect(packed.envelope["signatures"]?[0]?["kind"] == "embedded")
            #expect(try folder.bytes("etl/package.sig") == Array("an old one".utf8))
            let verified = try await folder.run(
                ["package", "verify", archive, "--key", "k.public", "--require", "embedded"])
            #expect(verified.status == 0, "\(verified.errors)")
            #expect(verified.envelope["signatures"]?[0]?["status"] == "valid")
            let other = try await folder.run(["package", "verify", archive, "--key", "o.public"])
            #expect(other.code == "signature_invalid")
            // By itself it is known by its 64 bytes.
            _ = try await folder.python(
                "import tarfile; open('s', 'wb').write(tarfile.open('\(archive)').extractfile('etl-0.1.0/package.sig').read())"
            )
            let beside = try await folder.run(["package", "verify", archive, "--key", "k.public", "--signature", "s"])
            #expect(beside.envelope["signatures"]?.arrayValue?.count == 2)
        }
    }

    @Test func keygenReplacesNothing() async throws {
        try await withSignedFolder { folder in
            let before = try folder.bytes("k.secret")
            let run = try await folder.run(["package", "keygen", "--out", "k"])
            #expect(run.status == 2)
            #expect(run.code == "file_exists")
            #expect(try folder.bytes("k.secret") == before)
            var status = stat()
            stat(folder.path("k.secret"), &status)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    /// Many at once make one pair: nobody's secret is left beside another one's public key.
    @Test func onePairIsMadeOfOneName() async throws {
        try await withSignedFolder { folder in
            let runs = try await concurrently(Array(0..<8)) { _, _ in
                try await folder.run(["package", "keygen", "--out", "pair", "--pem"])
            }
            #expect(runs.map(\.status).sorted() == [0] + [Int32](repeating: 2, count: 7))
            #expect(runs.allSatisfy { $0.status == 0 || $0.code == "file_exists" })
            #expect(try await folder.run(["package", "sign", archive, "--key", "pair.secret"]).status == 0)
            for key in ["pair.public", "pair.public.pem"] {
                let verified = try await folder.run(["package", "verify", archive, "--key", key])
                #expect(verified.status == 0, "\(verified.errors)")
            }
        }
    }

    /// Whoever signs by what everyone knows has everyone sign.
    @Test func aPublicKeyDoesNotSign() async throws {
        try await withSignedFolder { folder in
            for key in ["k.public", "file:k.public", "k.public.pem"] {
                let run = try await folder.run(["package", "sign", archive, "--key", key])
                #expect(run.status == 2 && run.code == "key_invalid", "\(run.errors)")
                #expect(!FileManager.default.fileExists(atPath: folder.path("\(archive).sig")))
            }
        }
    }

    private let archive = "etl-0.1.0.cloacina"

    /// With an archive, and two pairs of keys, `k` and `o`.
    private func withSignedFolder(_ body: (CloacinaFolder) async throws -> Void) async throws {
        try await withCloacinaFolder { folder in
            try folder.write("etl/package.toml", pythonManifest)
            try folder.write("etl/workflow/etl/tasks.py", "import cloaca\n")
            #expect(try await folder.run(["package", "pack", "etl"]).status == 0)
            #expect(try await folder.run(["package", "keygen", "--out", "k", "--pem"]).status == 0)
            #expect(try await folder.run(["package", "keygen", "--out", "o"]).status == 0)
            try await body(folder)
        }
    }

    private func openssl(_ folder: CloacinaFolder, _ arguments: [String]) async throws -> String {
        let result = try await LianSystem.run(
            Command("/usr/bin/openssl", arguments, environment: folder.environment, workingDirectory: folder.url.path),
            deadline: .seconds(60))
        #expect(result.termination.isSuccess, "\(result.errorText)")
        return result.outputText
    }
}
