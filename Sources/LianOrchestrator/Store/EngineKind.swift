/// What has laid out the data on a volume, and how. An engine goes on with the data of another only where both are of
/// one kind.
package struct EngineKind: Equatable, Sendable {
    /// The kind and the minor version, as the API shows them: "docker 20.10".
    package let name: String
    /// How the layers are laid out: "overlay2".
    package let layout: String

    package init(name: String, layout: String) {
        self.name = name
        self.layout = layout
    }

    /// nil where the version has no minor number.
    init?(_ engine: String, version: String, layout: String) {
        let numbers = version.drop { $0 == "v" }.split(separator: ".", omittingEmptySubsequences: false).prefix(2)
        let minor = numbers.map { $0.prefix { $0.isASCII && $0.isNumber } }
        guard minor.count == 2, minor.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(name: "\(engine) \(minor.joined(separator: "."))", layout: layout)
    }
}
