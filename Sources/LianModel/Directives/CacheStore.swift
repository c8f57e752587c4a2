/// Where a build's cache is read or written, as buildx writes it: a reference of a registry, or
/// `type=KIND,KEY=VALUE…`.
package struct CacheStore: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case registry, inline, gha, s3, azblob, local
    }

    package enum Side: Sendable {
        case from, to
    }

    package struct Attribute: Equatable, Sendable {
        package var key: String
        package var value: String
    }

    /// What is wrong with a text, without any value that stands in it: that may be a secret.
    package struct Problem: Error, Equatable, Sendable {
        package let reason: String
        /// Whether what is asked for makes sense elsewhere, and no runner can do it.
        package var isUnsupported = false
    }

    package let kind: Kind
    /// Of a registry's cache, and of no other.
    package private(set) var reference: String?
    /// All others that were given, in their order.
    package private(set) var attributes: [Attribute] = []
    /// Whether it was written with `type=`: then what it does not say is as in buildx.
    package let isWhole: Bool
    /// Of a folder: its absolute path on the caller's machine, once it is known from where it was written.
    package var folder: String?

    package init(registry reference: String) {
        kind = .registry
        self.reference = reference
        isWhole = false
    }

    private init(_ kind: Kind, reference: String?, _ attributes: [Attribute]) {
        self.kind = kind
        self.reference = reference
        self.attributes = attributes
        isWhole = true
    }

    package init(_ text: String, _ side: Side) throws(Problem) {
        self = try Self.read(text, side)
    }

    private static func read(_ text: String, _ side: Side) throws(Problem) -> CacheStore {
        let rule = side == .from ? TextRule.pinnedReference : TextRule.taggedReference
        guard text.utf8.contains(UInt8(ascii: "=")) else {
            guard rule.holds(text) else { throw Problem(reason: rule.sentence) }
            return CacheStore(registry: text)
        }
        var given = try attributes(text)
        guard let type = given.firstIndex(where: { $0.key == "type" }) else {
            throw Problem(reason: "needs type=: one of \(kinds(side))")
        }
        let name = given.remove(at: type).value
        guard let kind = Kind(rawValue: name), let known = kind.keys(side) else {
            throw Problem(reason: "has a type that is not one of \(kinds(side))")
        }
        for attribute in given {
            if let reason = kind.refusal(of: attribute.key) { throw Problem(reason: reason, isUnsupported: true) }
            guard known.contains(attribute.key) else { throw unknown(attribute.key, kind, known) }
            if let words = words[attribute.key], !words.contains(attribute.value) {
                throw Problem(reason: "\(attribute.key)= must be one of \(words.joined(separator: ", "))")
            }
        }
        if let key = kind.folderKey(side) {
            guard let folder = given.first(where: { $0.key == key }) else {
                throw Problem(reason: "type=local needs \(key)=FOLDER")
            }
            guard TextRule.folder.holds(folder.value) else {
                throw Problem(reason: "\(key)= \(TextRule.folder.sentence)")
            }
        }
        guard kind == .registry else { return CacheStore(kind, reference: nil, given) }
        guard let place = given.firstIndex(where: { $0.key == "ref" }) else {
            throw Problem(reason: "type=registry needs ref=REGISTRY/NAME:TAG")
        }
        let reference = given.remove(at: place).value
        guard rule.holds(reference) else { throw Problem(reason: "ref= \(rule.sentence)") }
        return CacheStore(kind, reference: reference, given)
    }

    private static let words = ["mode": ["min", "max"], "compression": ["gzip", "zstd", "estargz", "uncompressed"]]

    private static func kinds(_ side: Side) -> String {
        Kind.allCases.filter { $0.keys(side) != nil }.map(\.rawValue).joined(separator: ", ")
    }

    private static func unknown(_ key: String, _ kind: Kind, _ known: [String]) -> Problem {
        let nearest = nearestName(to: key, among: known).map { "; did you mean '\($0)'?" } ?? ""
        return Problem(reason: "type=\(kind.rawValue) has no key '\(key)' here\(nearest)")
    }

    private static func attributes(_ text: String) throws(Problem) -> [Attribute] {
        var given: [Attribute] = []
        for field in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, isKey(parts[0]), isValue(parts[1]) else {
                throw Problem(reason: "must be KEY=VALUE, joined by ','; a value has neither quotes nor white space")
            }
            let key = String(parts[0])
            guard !given.contains(where: { $0.key == key }) else { throw Problem(reason: "gives '\(key)' twice") }
            given.append(Attribute(key: key, value: String(parts[1])))
        }
        return given
    }

    private static func isKey(_ text: Substring) -> Bool {
        (1...32).contains(text.utf8.count) && text.utf8.first.map(Identifier.isLowercase) == true
            && text.utf8.allSatisfy { Identifier.isLowercase($0) || Identifier.isDigit($0) || "_-".utf8.contains($0) }
    }

    private static func isValue(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { Identifier.isVisible($0) && $0 != UInt8(ascii: "\"") }
    }

    /// What was written for its folder, of a folder.
    package var writtenFolder: String? {
        guard kind == .local else { return nil }
        return attributes.first { $0.key == "src" || $0.key == "dest" }?.value
    }

    package func has(_ key: String) -> Bool { attributes.contains { $0.key == key } }

    /// The same store, with all that is in it below this folder: no other layer sees it.
    func below(_ folder: String) -> CacheStore {
        var store = self
        switch kind {
        case .registry, .inline: break
        case .local:
            for key in ["src", "dest"] where has(key) { store.change(key) { "\($0 ?? "")/\(folder)" } }
            store.folder = self.folder.map { "\($0)/\(folder)" }
        case .gha: store.change("scope") { $0.map { "\(folder)/\($0)" } ?? folder }
        case .s3, .azblob:
            store.change("prefix") { given in
                let start = given.map { $0.hasSuffix("/") ? $0 : "\($0)/" } ?? ""
                return "\(start)\(folder)/"
            }
        }
        return store
    }

    /// The same store for a part of the builds that would otherwise write over each other's: `word` tells them apart.
    package func apart(_ word: String) -> CacheStore {
        var store = self
        if let reference {
            // A digest names one cache for good.
            if !reference.utf8.contains(UInt8(ascii: "@")) { store.reference = "\(reference)-\(word)" }
            return store
        }
        guard kind == .gha else { return below(word) }
        // The layer's name stays the first part of the scope.
        store.change("scope") { $0.map { "\($0)/\(word)" } ?? word }
        return store
    }

    private mutating func change(_ key: String, _ change: (String?) -> String) {
        if let index = attributes.firstIndex(where: { $0.key == key }) {
            attributes[index].value = change(attributes[index].value)
        } else {
            attributes.append(Attribute(key: key, value: change(nil)))
        }
    }
}

extension CacheStore: CustomStringConvertible {
    /// A registry's is its reference, however it was written.
    package var description: String {
        reference ?? (["type=\(kind.rawValue)"] + attributes.map(\.description)).joined(separator: ",")
    }
}

extension CacheStore.Attribute: CustomStringConvertible {
    package var description: String { "\(key)=\(value)" }
}

extension CacheStore.Kind {
    /// schemas/rules.ncl has the same lists.
    fileprivate func keys(_ side: CacheStore.Side) -> [String]? {
        let writing = side == .to ? ["mode", "ignore-error"] : []
        let names = ["name", "prefix", "blobs_prefix", "manifests_prefix"]
        let layers = ["compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest"]
        switch self {
        case .registry: return ["ref"] + (side == .to ? writing + layers : [])
        case .inline: return side == .to ? [] : nil
        case .gha: return ["scope", "timeout"] + writing
        case .s3:
            return names + [
                "region", "bucket", "endpoint_url", "use_path_style", "touch_refresh", "upload_parallelism",
            ]
                + writing
        case .azblob: return names + ["account_url", "container"] + writing
        case .local: return side == .to ? ["dest"] + writing + layers : ["src"]
        }
    }

    /// The key that names the folder of a folder's cache.
    fileprivate func folderKey(_ side: CacheStore.Side) -> String? {
        guard self == .local else { return nil }
        return side == .from ? "src" : "dest"
    }

    /// Why a key of buildx's is not taken: buildctl takes it as an argument alone, which everybody on a machine can read.
    fileprivate func refusal(of key: String) -> String? {
        switch (self, key) {
        case (.gha, "token"), (.gha, "ghtoken"), (.gha, "url"), (.gha, "url_v2"):
            "type=gha takes no \(key)=: it comes by the environment, as GitHub Actions gives it (ACTIONS_RUNTIME_TOKEN)"
        case (.s3, "access_key_id"), (.s3, "secret_access_key"), (.s3, "session_token"), (.azblob, "secret_access_key"):
            "type=\(rawValue) takes no \(key)=: keys in arguments can be read by others, so only the engine's own identity is used"
        default: nil
        }
    }
}
