/// A crate's Cargo.toml, as far as a package depends on it.
struct Crate {
    let document: TOMLTable
    private let path: String

    init(_ folder: String) throws(CloacinaError) {
        path = "\(folder)/Cargo.toml"
        guard let file = try TOMLFile(path, .cargoTomlInvalid, .project) else {
            throw CloacinaError(
                .cargoTomlMissing, .project, "there is no Cargo.toml in \(folder)", hint: "Name the folder of a crate.")
        }
        document = file.document
    }

    /// What cargo is to do; what hosts will not like is refused, what they may not like is warned of.
    func cargoArguments(isRelease: Bool, _ report: inout CloacinaReport) throws(CloacinaError) -> [String] {
        let features = document["features"]?.table
        let release = isRelease ? ["--release"] : []
        defer { warnOfFullCrate(&report) }
        if document["lib"] == nil, features?[Self.feature] == nil {
            report.warn(
                .minimalCrate, "\(path) has neither [lib] nor the feature '\(Self.feature)': hosts add both themselves")
            return ["rustc", "--lib", "--crate-type", "cdylib"] + release
        }
        let types = (document["lib"]?.table?["crate-type"]?.items ?? []).compactMap(\.string)
        guard types.contains("cdylib") else {
            throw CloacinaError(
                .crateTypeMissing, .project, "\(path) does not make a cdylib, which is what hosts load",
                hint: "Add to [lib]: crate-type = [\"cdylib\", \"rlib\"]")
        }
        if !types.contains("rlib") {
            report.warn(.rlibMissing, "\(path) makes no rlib, so that tests of the crate cannot use it")
        }
        guard let features, features[Self.feature] != nil else {
            report.warn(.featureMissing, "\(path) declares no feature '\(Self.feature)', by which crates know hosts")
            return ["build"] + release
        }
        let isDefault = (features["default"]?.items ?? []).contains { $0.string == Self.feature }
        return ["build"] + release + (isDefault ? [] : ["--features", Self.feature])
    }

    private static let feature = "packaged"

    private func warnOfFullCrate(_ report: inout CloacinaReport) {
        guard document["dependencies"]?.table?["cloacina"] != nil else { return }
        report.warn(
            .fullCrate, "\(path) depends on the whole engine 'cloacina', about 60 MB: 'cloacina-workflow' is enough")
    }
}
