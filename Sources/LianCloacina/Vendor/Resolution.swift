import LianModel
import LianSystem

/// A version of a package that was chosen, and the hashes of the files that it may be.
struct Pin: Equatable, Sendable {
    /// As package indexes have it.
    var name: String
    var version: String
    /// Of SHA-256, in hex.
    var hashes: Set<String>

    var text: String { "\(name)==\(version)" }
}

/// For which machine and Python packages are wanted.
struct WheelTarget: Equatable, Sendable {
    let target: PackageTarget
    let python: PythonVersion

    /// Has pip take wheels for it, and nothing else.
    var pipArguments: [String] { ["--only-binary", ":all:"] + pipMachine }

    /// Has pip look at it in the place of this machine.
    var pipMachine: [String] {
        ["--python-version", python.description, "--implementation", "cp"] + platforms.flatMap { ["--platform", $0] }
    }

    private var platforms: [String] {
        switch target {
        case .linuxX86: ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
        case .linuxARM: ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"]
        case .macARM: (11...14).reversed().flatMap { ["macosx_\($0)_0_arm64", "macosx_\($0)_0_universal2"] }
        case .macX86:
            (11...14).reversed().flatMap { ["macosx_\($0)_0_x86_64", "macosx_\($0)_0_universal2"] }
                + (9...15).reversed().flatMap { ["macosx_10_\($0)_x86_64", "macosx_10_\($0)_universal2"] }
        }
    }

    var uvPlatform: String {
        switch target {
        case .linuxX86: "x86_64-unknown-linux-gnu"
        case .linuxARM: "aarch64-unknown-linux-gnu"
        case .macX86: "x86_64-apple-darwin"
        case .macARM: "aarch64-apple-darwin"
        }
    }
}

/// Chooses versions for all that is declared, and for what that needs.
struct Resolver: Sendable {
    let tools: PackageTools
    /// For files of its own.
    let folder: String

    func pins(_ requirements: [Requirement], for target: WheelTarget) async throws(CloacinaError) -> [Pin] {
        let pins =
            if let uv = tools.uv {
                try await byUV(uv, requirements, target)
            } else {
                try await byPip(requirements, target)
            }
        return pins.sorted { $0.text < $1.text }
    }

    // MARK: uv

    private func byUV(
        _ program: String, _ requirements: [Requirement], _ target: WheelTarget
    ) async throws(CloacinaError) -> [Pin] {
        let list = "\(folder)/requirements.in"
        do {
            try writeFile(list, requirements.map { "\($0.text)\n" }.joined())
        } catch {
            throw .unwritable(list, error)
        }
        let result = try await tools.uv(
            program,
            [
                "pip", "compile", "--no-config", "--no-header", "--no-annotate", "--quiet", "--generate-hashes",
                "--only-binary", ":all:", "--python-version", target.python.description, "--python-platform",
                target.uvPlatform, "--python", tools.interpreter.path, list,
            ])
        guard result.termination.isSuccess else {
            throw try await unresolved(requirements.map(\.name), target, tools.lastWords(result))
        }
        var pins: [Pin] = []
        for line in result.outputText.split(separator: "\n") {
            let word = line.split(separator: " ").first ?? ""
            if word.hasPrefix("--hash=sha256:"), !pins.isEmpty {
                pins[pins.count - 1].hashes.insert(String(word.dropFirst("--hash=sha256:".count)))
            } else if let equals = word.firstRange(of: "==") {
                pins.append(
                    Pin(
                        name: Requirement.indexName(word[..<equals.lowerBound]),
                        version: String(word[equals.upperBound...]), hashes: []))
            }
        }
        return pins
    }

    // MARK: pip

    private func byPip(
        _ requirements: [Requirement], _ target: WheelTarget
    ) async throws(CloacinaError) -> [Pin] {
        let path = "\(folder)/report.json"
        let result = try await tools.pip(
            dryRun(target) + ["--report", path] + requirements.map(\.text))
        guard result.termination.isSuccess else {
            let missing = result.errorText.split(separator: "\n").compactMap { line in
                line.firstRange(of: "No matching distribution found for ").map { line[$0.upperBound...] }
            }
            let names = missing.compactMap { try? Requirement(String($0)).name }
            throw try await unresolved(
                names.isEmpty ? requirements.map(\.name) : names, target, tools.lastWords(result))
        }
        do {
            return try PipReport(JSONNode(try JSONValue.parse(try readFile(path, limit: 64 << 20)))).pins
        } catch {
            throw CloacinaError(
                .dependencyUnresolved, .vendor, "pip's report of what it chose cannot be read: \(error)",
                hint: "Upgrade pip: 22.2 or newer is needed.")
        }
    }

    private func dryRun(_ target: WheelTarget) -> [String] {
        ["install", "--dry-run", "--ignore-installed", "--quiet", "--target", "\(folder)/none"] + target.pipArguments
    }

    /// Why nothing could be chosen: where there are files of a package, but no wheel among them, that is said.
    private func unresolved(
        _ names: [String], _ target: WheelTarget, _ lastWords: String
    ) async throws(CloacinaError) -> CloacinaError {
        for name in names {
            let isKnown = try await tools.pip(
                ["index", "versions"] + target.pipMachine + [name], isProbe: true)
            guard isKnown.termination.isSuccess else { continue }
            let asWheel = try await tools.pip(dryRun(target) + ["--no-deps", name], isProbe: true)
            guard !asWheel.termination.isSuccess else { continue }
            return CloacinaError(
                .sdistOnly, .vendor,
                "there is \(name), but no wheel of it for \(target.target.rawValue) with Python \(target.python)",
                hint: "Only wheels can be vendored: take a version that has one, or build one and name its folder in "
                    + "PIP_FIND_LINKS.")
        }
        return CloacinaError(
            .dependencyUnresolved, .vendor,
            "the dependencies cannot be had for \(target.target.rawValue) with Python \(target.python): \(lastWords)",
            hint: "Correct project.dependencies, or say where packages are with PIP_INDEX_URL or PIP_FIND_LINKS.")
    }
}

/// What `pip install --report` writes.
struct PipReport {
    var pins: [Pin] = []

    init(_ node: JSONNode) throws {
        var report = try node.record()
        for item in try report.required("install").items() {
            var item = try item.record()
            var metadata = try item.required("metadata").record()
            var download = try item.required("download_info").record()
            pins.append(
                Pin(
                    name: Requirement.indexName(try metadata.required("name").string()),
                    version: try metadata.required("version").string(),
                    hashes: try Self.hashes(download.required("archive_info"))))
        }
    }

    /// In `hashes`; or, from a pip before 23.1, in `hash` alone.
    private static func hashes(_ archive: JSONNode) throws -> Set<String> {
        var archive = try archive.record()
        if let hashes = try archive.optional("hashes") {
            return Set(try hashes.members().filter { $0.name == "sha256" }.map { try $0.node.string() })
        }
        let hash = try archive.required("hash").string()
        return hash.hasPrefix("sha256=") ? [String(hash.dropFirst("sha256=".count))] : []
    }
}
