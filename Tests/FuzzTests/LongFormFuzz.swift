import LianBuildKit
import LianCLI
import LianConfiguration
import LianFlags
import LianModel
import LianTestSupport

@testable import LianBuild

/// Texts in the long forms of flags and directives, from good parts that were put together anyhow.
struct LongFormFuzz {
    /// What stands where only a secret stands: it may be in no reason.
    static let secret = "hunter22-s3same"

    private var random: SeededGenerator

    init(_ random: SeededGenerator) {
        self.random = random
    }

    mutating func run() throws {
        for side in [CacheStore.Side.from, .to] { try store(side) }
        try output()
        try annotation()
        try agent()
        try others()
        try flags()
        try check()
    }

    private mutating func store(_ side: CacheStore.Side) throws {
        let keys = [
            "type", "type", "ref", "mode", "scope", "bucket", "region", "prefix", "token", "secret_access_key", "dest",
            "compression", "ignore-error", "Type", "",
        ]
        let values = [
            "registry", "inline", "gha", "s3", "azblob", "local", "max", "min", "reg.example/a:1", "true", "a/b", "",
            Self.secret, "a\"b", "é", " ", "a=b", "zstd",
        ]
        var fields = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            random.oneIn(12) ? random.pick(values) : "\(random.pick(keys))=\(random.pick(values))"
        }
        if random.oneIn(2) { fields.insert("type=\(random.pick(Array(values.prefix(5))))", at: 0) }
        let text = fields.joined(separator: random.oneIn(10) ? ";" : ",")
        let rule = side == .from ? TextRule.cacheSource : .cacheTarget
        let store: CacheStore
        do throws(CacheStore.Problem) {
            store = try CacheStore(text, side)
        } catch {
            guard !error.reason.isEmpty, !error.reason.contains(Self.secret), !rule.holds(text) else {
                throw FuzzFailure(description: "\(text): \(error.reason)")
            }
            return
        }
        // It stands as one argument of fields, none of which ends another, and reads the same again.
        let again = store.kind == .registry ? store : try? CacheStore(store.description, side)
        guard rule.holds(text), again == store, (store.reference == nil) == (store.kind != .registry),
            !store.description.contains(where: { $0 == "\"" || $0.isWhitespace }),
            store.attributes.allSatisfy({ !$0.value.contains(",") && !$0.value.isEmpty })
        else { throw FuzzFailure(description: "\(text) became \(store)") }
    }

    private mutating func output() throws {
        let text = pieces([
            "type=", "local", "tar", "image", "oci", ",", "dest=", "out", "-", "=", "push=false", "é", " ",
        ])
        guard let output = try? BuildOutput(text) else { return }
        guard output.kind.isBrought == (output.dest != nil),
            output.dest.map({ $0 != "-" && text.contains($0) }) ?? true,
            output.pushes || output.kind == .image
        else { throw FuzzFailure(description: "the output \(text) became \(output)") }
    }

    private mutating func annotation() throws {
        let parts = [
            "index", "manifest", "manifest[linux/amd64]", "index-descriptor", ",", ":", "a.b/c", "[", "]", "é", "",
        ]
        let text = pieces(parts)
        guard let name = AnnotationName(text) else { return }
        let head = name.bearers.isEmpty ? "" : "\(name.bearers.joined(separator: ",")):"
        guard "\(head)\(name.key)" == text, !name.key.contains(":"), !name.key.isEmpty else {
            throw FuzzFailure(description: "the annotation \(text) became \(name)")
        }
    }

    private mutating func agent() throws {
        let text = pieces(["default", "a b", "=", "=", "key", "/", "/dev/null", ",", ":", "é", "\u{0}", "\n"])
        let agent: SSHForward
        do throws(LianError) {
            agent = try SSHFlag.parse(text, workingFolder: WorkingFolder("/nonexistent"))
        } catch {
            guard error.code == .invalidArgument, error.message.hasPrefix("--ssh ") else {
                throw FuzzFailure(description: "\(text): \(error)")
            }
            return
        }
        // The id ends one argument of buildctl's, and its place comes from what was written.
        let written = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard TextRule.agentID.holds(agent.id), agent.id == written[0],
            (agent.place == .environment) == (written.count == 1)
        else { throw FuzzFailure(description: "\(text) became \(agent)") }
    }

    private mutating func others() throws {
        let size = pieces(["1", "9", "0", "99999", "k", "m", "g", "T", "b", "-", ".", " "])
        if let read = MemorySize(size) {
            guard read.bytes > 0, read.text == size, TextRule.memorySize.holds(size) else {
                throw FuzzFailure(description: "the size \(size) became \(read)")
            }
        }
        let context = pieces([
            "https://", "git://", "ssh://", "h.example", ":80", "/", "a.git", "#b:c", "u:p@", " ", "\u{0}",
        ])
        if case .url(let url)? = ContextPlace(context) {
            let authority = url.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }
            guard url == context, !authority.contains("@"), !authority.isEmpty else {
                throw FuzzFailure(description: "the context \(context) was taken")
            }
        }
        for rule in [TextRule.ulimit, .ipAddress, .hostName, .entitlement] {
            let text = pieces([
                "nofile=", "1", ":", "-1", "2", "::", "a", "10.0.0.7", ".", "device=", "network.host", "é",
            ])
            guard !rule.holds(text) || text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") })
            else {
                throw FuzzFailure(description: "\(rule.sentence): \(text)")
            }
        }
    }

    /// Flags whose value has parts, up to what a request makes of it.
    private mutating func flags() throws {
        let attestation = pieces(["sbom", "provenance", "type=", "mode=", "=", ",", "min", "max"])
        let isGood = ["", "type="].contains { form in
            ["sbom", "provenance"].contains { form + $0 == attestation }
                || ["=", "=mode=", ",mode="].contains { between in
                    ["min", "max"].contains { "\(form)provenance\(between)\($0)" == attestation }
                }
        }
        if let builder = try builder("--attest", attestation) {
            guard ((try? builder.attestations()) != nil) == isGood else {
                throw FuzzFailure(description: "--attest \(attestation)")
            }
        }
        let host = pieces(["db", ".test", ":", "=", "[", "]", "::1", "10.0.0.7", "host-gateway", "1"])
        if var builder = try builder("--add-host", host), let hosts = try? builder.steps().hosts {
            guard hosts.count == 1,
                hosts.allSatisfy({ name, address in
                    [":", "="].contains { host == "\(name)\($0)\(address)" || host == "\(name)\($0)[\(address)]" }
                })
            else { throw FuzzFailure(description: "--add-host \(host) became \(hosts)") }
        }
        let keys = ["id", "src", "source", "env", "type", "mode", ""]
        let values = ["npm", "env", "file", "/x", "", Self.secret]
        let fields = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            random.oneIn(10) ? random.pick(values) : "\(random.pick(keys))=\(random.pick(values))"
        }
        let secret = fields.joined(separator: ",")
        do throws(LianError) {
            let read = try SecretFlag.parse(secret, environment: [:], workingFolder: WorkingFolder("/"))
            guard fields.contains("id=\(read.id)"), fields.count <= 3 else {
                throw LianError(.internalError, .arguments, "it became \(read)", hint: "")
            }
        } catch {
            guard error.code == .invalidArgument, !"\(error.message)\(error.hint)".contains(Self.secret) else {
                throw FuzzFailure(description: "--secret \(secret): \(error.message)")
            }
        }
    }

    /// What reads one flag; nil where its value is none.
    private func builder(_ flag: String, _ value: String) throws -> RequestBuilder? {
        guard let parsed = try? ArgumentParser.parse(["\(flag)=\(value)"], for: .build, environment: [:]) else {
            return nil
        }
        return RequestBuilder(options: try BuildOptions(parsed), environment: [:], workingFolder: WorkingFolder("/"))
    }

    /// What the engine's check prints is the runner's to say.
    private mutating func check() throws {
        let lines = [
            "WARNING: A - u", "WARNING: ", "f:1", "f:99999999999999999999", ":", "-----", "", "said", "   1 | >>> x",
        ]
        let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in random.pick(lines) }
        for finding in DockerfileCheck(text, artifact: "app").findings {
            guard finding.place.map({ $0.line >= 0 && !$0.file.isEmpty }) ?? true else {
                throw FuzzFailure(description: "\(text): \(finding)")
            }
        }
    }

    private mutating func pieces(_ parts: [String]) -> String {
        (0..<Int.random(in: 0...5, using: &random)).map { _ in random.pick(parts) }.joined()
    }
}
