/// The files of a new plugin: those of examples/plugin, in whose tests the engine runs it.
package enum PluginExample {
    /// What its files call it.
    static let name = "swift-demo"
    static let workflow = "swift_demo"

    package static let files: [(path: String, bytes: [UInt8])] = [
        ("Package.swift", PackageResources.Package_swift),
        ("README.md", PackageResources.README_md),
        ("exports.map", PackageResources.exports_map),
        ("Sources/CloacinaPlugin/CloacinaPackage.swift", PackageResources.CloacinaPackage_swift),
        ("Sources/CloacinaPlugin/ContextReader.swift", PackageResources.ContextReader_swift),
        ("Sources/CloacinaPlugin/ContextWriter.swift", PackageResources.ContextWriter_swift),
        ("Sources/CloacinaPlugin/PackageContext.swift", PackageResources.PackageContext_swift),
        ("Sources/CloacinaPlugin/PackageTask.swift", PackageResources.PackageTask_swift),
        ("Sources/CloacinaPlugin/PackageTrigger.swift", PackageResources.PackageTrigger_swift),
        ("Sources/CloacinaPlugin/PluginInterface.swift", PackageResources.PluginInterface_swift),
        ("Sources/CloacinaPlugin/PluginMethod.swift", PackageResources.PluginMethod_swift),
        ("Sources/CloacinaPlugin/PluginRegistry.swift", PackageResources.PluginRegistry_swift),
        ("Sources/CloacinaPlugin/Wire.swift", PackageResources.Wire_swift),
        ("Sources/Plugin/Plugin.swift", PackageResources.Plugin_swift),
    ]

    /// The same under another name.
    static func files(named name: String) -> [(path: String, text: String)] {
        let workflow = String(name.map { $0.isLetter || $0.isNumber ? $0 : "_" })
        return files.map { file in
            let text = String(decoding: file.bytes, as: UTF8.self)
            return (file.path, replacing(Self.workflow, by: workflow, in: replacing(Self.name, by: name, in: text)))
        }
    }

    private static func replacing(_ word: String, by other: String, in text: String) -> String {
        text.split(separator: word, omittingEmptySubsequences: false).joined(separator: other)
    }
}
