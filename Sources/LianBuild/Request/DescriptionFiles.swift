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
        guard kind == .regular else {
            throw LianError(
                .buildSpecInvalid, .resolve, "\(file) is not a regular file",
                hint: "Put a Nickel file there, or nothing.")
        }
        let json = try await document(file).nickel().export(file)
        do {
            return try BuildSpec(JSONNode(json))
        } catch {
            throw LianError(
                .buildSpecInvalid, .resolve, "\(file): \(error)",
                hint: "schemas/build_spec.ncl says what each field may be.")
        }
    }

    private func document(_ file: String) -> DocumentFile {
        DocumentFile(file, installation: installation, importPaths: importPaths, environment: environment)
    }
}
