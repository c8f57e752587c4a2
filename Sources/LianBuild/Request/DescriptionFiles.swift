import LianConfiguration
import LianModel
import LianSystem

/// Reads the two files in which a build can be described, through nickel where they are Nickel.
struct DescriptionFiles: Sendable {
    private let environment: [String: String]
    private let installation: Installation?
    private let importPaths: [String]

    /// The name under which a repository says what its builds need.
    static let buildSpecName = ".build-spec.ncl"

    init(options: BuildOptions, surroundings: Surroundings) throws(LianError) {
        environment = surroundings.environment
        installation = surroundings.installation
        importPaths = try options.importPaths.map(surroundings.workingFolder.path)
    }

    /// `.ncl` through nickel; `.json` as it is, under the same rules.
    func directives(_ file: String) async throws -> LoadedDirectives {
        let json = try await document(file).read(.directives)
        do {
            return LoadedDirectives(directives: try BuildDirectives(JSONNode(json)), file: file)
        } catch {
            throw LianError(
                .directivesInvalid, .resolve, "\(file): \(error)",
                hint: "schemas/build_directives.ncl says what each field may be; examples/ has whole files.")
        }
    }

    /// The spec in a context's folder; nil where there is none.
    func buildSpec(in folder: String) async throws -> BuildSpec? {
        let file = "\(folder)/\(Self.buildSpecName)"
        guard let kind = fileKind(file) else { return nil }
        // No link leads to the folder, so one leads to the file where its real path is another.
        guard kind == .regular, realPath(file).map(TextBytes.init) == TextBytes(file) else {
            throw LianError(
                .buildSpecInvalid, .resolve, "\(file) is a link, or no regular file",
                hint: "Put a Nickel file there, or nothing.")
        }
        // It may have imported any file of the caller's, and a log is read by more people than such a file.
        var nickel = try document(file).nickel()
        nickel.mayQuote = false
        let json = try await nickel.export(file)
        do {
            return try BuildSpec(JSONNode(json).secret())
        } catch {
            // An unknown field's name may come from such a file as well.
            let nearest = error.nearest.map { "; did you mean '\($0)'?" } ?? ""
            let isUnknown = error.rule == RecordReader.unknownRule
            let what = isUnknown ? "one of its names \(error.rule)\(nearest)" : "\(error)"
            throw LianError(
                .buildSpecInvalid, .resolve, "\(file): \(what)",
                hint: "schemas/build_spec.ncl says what each field may be.")
        }
    }

    private func document(_ file: String) -> DocumentFile {
        DocumentFile(file, installation: installation, importPaths: importPaths, environment: environment)
    }
}
