import LianModel
import LianSystem

/// `package build --remote FILE`: the crate is compiled on an ephemeral runner of lian-build's, and its library comes to
/// where cargo would have put it here.
struct RemoteBuild: Sendable {
    let root: String
    /// Directives of lian-build's for the folder above: one image, of which no more than the library is made.
    let directives: String
    let isRelease: Bool
    let surroundings: Surroundings

    private var profile: String { isRelease ? "release" : "debug" }

    /// `arguments` are cargo's.
    func run(_ arguments: [String]) throws(CloacinaError) {
        let path = surroundings.path(directives)
        guard fileKind(path) == .regular else { throw .unreadable(directives, "there is no file", .arguments) }
        let crate = try CrateLibrary(root)
        let program = try LianBuildProgram(surroundings)
        let staging = try StagingFolder(environment: surroundings.environment)
        let made = "\(staging.path)/made"
        let dockerfile = self.dockerfile(arguments, crate.fileName)
        var request = [
            "build", "--directives", path, "--dockerfile", "-", "--output", "type=local,dest=\(made)",
        ]
        if surroundings.environment[Self.keyVariable] == nil { request += ["--ssh-key", "ephemeral"] }
        // What is wrong with the directives shows before there is a runner.
        let plan = try program.build(
            request + ["--dry-run", "--progress", "quiet"], dockerfile: dockerfile, in: staging.path, isQuiet: true)
        try check(plan)
        surroundings.tell("Compiling on a runner: cargo \(arguments.joined(separator: " "))")
        let result: JSONValue
        do throws(CloacinaError) {
            result = try program.build(
                request + ["--progress", "plain"], dockerfile: dockerfile, in: staging.path, isQuiet: false)
        } catch {
            // The step behind cargo's fails where there is nothing to copy.
            guard error.code == .cargoFailed, error.message.contains(Self.copy) else { throw error }
            throw missing(crate.fileName, error.message)
        }
        try take(crate.fileName, from: made, platforms(of: result))
    }

    /// A stage for cargo, and one of the library alone. The manifest comes back as well: it shows whose library it is.
    private func dockerfile(_ arguments: [String], _ library: String) -> String {
        let cargo = (["cargo"] + arguments).json.encoded()
        return """
            ARG RUST_IMAGE=\(Self.image)
            FROM ${RUST_IMAGE} AS build
            ENV CARGO_TARGET_DIR=/target
            WORKDIR /crate
            COPY . .
            RUN \(cargo)
            FROM scratch
            \(Self.copy) /target/\(profile)/\(library) /crate/\(Self.manifest) /

            """
    }

    private func check(_ plan: JSONValue) throws(CloacinaError) {
        for warning in plan["warnings"]?.arrayValue ?? [] where warning["code"] == "flag_overridden" {
            let flag = warning["message"]?.stringValue?.prefix { $0 != " " } ?? ""
            guard let field = ["--dockerfile": "dockerfile", "--output": "outputs"][flag] else { continue }
            throw refusal("writes '\(field)', which is made here", "Leave it out: the crate's library comes back.")
        }
        guard platforms(of: plan).count <= 1 else {
            throw refusal("asks for several platforms", "Name one: a package has one library.")
        }
    }

    private func platforms(of result: JSONValue) -> [String] {
        (result["artifacts"]?[0]?["platforms"]?.arrayValue ?? []).compactMap(\.stringValue)
    }

    /// Nothing that came from the runner is believed to be what it is called.
    private func take(_ name: String, from made: String, _ platforms: [String]) throws(CloacinaError) {
        guard let theirs = try? readFile("\(made)/\(Self.manifest)", limit: TOMLFile.largest),
            theirs == (try? readFile("\(root)/\(Self.manifest)", limit: TOMLFile.largest))
        else {
            throw refusal(
                "builds another folder than \(root): the \(Self.manifest) there is another one",
                "Let 'context' be the folder that 'package build' is called for.")
        }
        let bytes: [UInt8]
        do throws(FileReadFailure) {
            bytes = try RegularFile.open("\(made)/\(name)", followingLinks: false).read(
                limit: LibraryInspection.mostBytes)
        } catch {
            throw missing(name, error.reason)
        }
        let library = try LibraryInspection(LibraryBytes(bytes), named: name)
        let machine = platforms.first.map(Self.machine) ?? Self.machine(ofLinux: PackageTarget.own)
        guard library.machine == machine else {
            throw CloacinaError(
                .libraryCorrupt, .compile,
                "\(name) is for \(library.machine), and \(platforms.first ?? "this machine") is \(machine)",
                hint: "Name the platform that is wanted in the directives: platforms = [\"linux/amd64\"].")
        }
        let target = surroundings.environment["CARGO_TARGET_DIR"].flatMap { $0.isEmpty ? nil : surroundings.path($0) }
        let place = "\(target ?? "\(root)/target")/\(profile)/\(name)"
        do throws(SystemError) {
            try makeFolder(parentFolder(place), mode: 0o777)
            let draft = try FileDraft(of: place, mode: 0o755)
            try draft.write(bytes)
            try draft.commit()
        } catch {
            throw .unwritable(place, error)
        }
        surroundings.tell("Created: \(place)")
    }

    private static func machine(of platform: String) -> String {
        switch platform.split(separator: "/").dropFirst().first {
        case "amd64": "x86_64"
        case "arm64": "aarch64"
        default: platform
        }
    }

    private static func machine(ofLinux target: PackageTarget) -> String {
        target == .linuxARM || target == .macARM ? "aarch64" : "x86_64"
    }

    private func missing(_ library: String, _ why: String) -> CloacinaError {
        CloacinaError(
            .libraryMissing, .compile, "cargo made no \(library) in target/\(profile) on the runner: \(why)",
            hint: "Look whether Cargo.toml or .cargo/config.toml has cargo put it elsewhere."
        ).asVerdict
    }

    private func refusal(_ what: String, _ hint: String) -> CloacinaError {
        CloacinaError(.remoteInvalid, .compile, "\(directives) \(what)", hint: hint)
    }

    private static let image = "docker.io/library/rust:1-bookworm"
    private static let copy = "COPY --from=build"
    private static let manifest = "Cargo.toml"
    private static let keyVariable = "BUILDKIT_SSH_KEY"
}
