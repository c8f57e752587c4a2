import LianModel

/// What runners are made of.
struct LXDImage: Equatable, Sendable {
    let fingerprint: String
    let architecture: String

    static func find(_ alias: String, ofVMs: Bool, on server: LXDServer) throws -> LXDImage {
        let known = try server.askIfThere("/images/aliases/\(percentEncoded(alias))")
        guard let fingerprint = known?["target"]?.stringValue,
            let found = try server.askIfThere("/images/\(percentEncoded(fingerprint))")
        else {
            throw ProviderError(
                "the cluster has no image '\(alias)': make one by scripts/runner-image lxd and import it by `lxc image "
                    + "import FILE --alias \(alias)`")
        }
        let isOfVMs = found["type"]?.stringValue == "virtual-machine"
        guard isOfVMs == ofVMs else {
            let what = isOfVMs ? "virtual machines: say so by 'vm'" : "containers: 'vm' needs another one"
            throw ProviderError("the image '\(alias)' is of \(what)")
        }
        return LXDImage(fingerprint: fingerprint, architecture: found["architecture"]?.stringValue ?? "")
    }

    /// Which engine is in it only a runner could tell. The same image has the same engine.
    var engineKind: EngineKind { EngineKind(name: "image \(fingerprint.prefix(12))", layout: "overlay") }
}
