import Glibc
import LianConfiguration
import LianModel
import LianSystem

/// What a build makes, and whether it can be put where the caller wants it: told before anything is spawned.
extension RequestBuilder {
    /// As flags say it; nil where they say nothing.
    func flagOutputs() throws -> ArtifactOutputs? {
        guard !options.outputs.isEmpty || options.loads else { return nil }
        var outputs: [BuildOutput] = []
        for text in options.outputs {
            do throws(BuildOutput.Problem) {
                outputs.append(try BuildOutput(text))
            } catch {
                throw refusal(
                    "--output \(error.reason)",
                    hint: "Examples are --output out, --output type=tar,dest=out.tar and --output type=image.")
            }
        }
        return try self.outputs(outputs, from: workingFolder) { _ in "--output" }
    }

    /// What directives write beats flags; without either, an image is made and pushed.
    mutating func outputs(
        _ written: [BuildOutput], push: Bool?, from folder: String, at place: String
    ) throws -> ArtifactOutputs {
        guard !written.isEmpty else { return try outputs(push: push) }
        if !options.outputs.isEmpty { warnOverridden("--output", "outputs") }
        return pushed(try outputs(written, within: folder, at: place), push)
    }

    /// The same where nothing is written.
    func outputs(push: Bool? = nil) throws -> ArtifactOutputs {
        pushed(try flagOutputs() ?? ArtifactOutputs(pushes: true), push)
    }

    private func pushed(_ outputs: ArtifactOutputs, _ push: Bool?) -> ArtifactOutputs {
        var outputs = outputs
        outputs.pushes = outputs.pushes && (push ?? !options.noPush)
        return outputs
    }

    /// Those of a directives file, which lead out of its folder only where they say so.
    private func outputs(_ written: [BuildOutput], within folder: String, at place: String) throws -> ArtifactOutputs {
        for output in written {
            guard let dest = output.dest else { continue }
            try Self.checkStays(dest, within: folder, "\(place): outputs")
        }
        return try outputs(written, from: WorkingFolder(folder)) { "\(place): outputs[\($0)]" }
    }

    private func outputs(
        _ outputs: [BuildOutput], from folder: WorkingFolder, _ name: (Int) -> String
    ) throws -> ArtifactOutputs {
        let images = outputs.filter { !$0.kind.isBrought }
        guard images.count <= 1 else {
            throw refusal("\(name(outputs.count - 1)): an image is asked for twice", hint: "Ask for it once.")
        }
        var all = ArtifactOutputs(makesImage: !images.isEmpty, pushes: images.allSatisfy(\.pushes))
        for (index, output) in outputs.enumerated() {
            guard let dest = output.dest else { continue }
            let path = try folder.path(dest)
            let place: BroughtOutput.Place = output.kind == .local ? .folder(path) : .file(path)
            let brought = BroughtOutput(output.kind, to: place)
            if let other = all.brought.lazy.compactMap({ brought.collision(with: $0) }).first {
                throw refusal("\(name(index)): \(other)", hint: "Give each output a place of its own.")
            }
            try Self.check(path, isFolder: output.kind == .local, name(index))
            all.brought.append(brought)
        }
        if options.loads { all.brought.append(BroughtOutput(.docker, to: .engine)) }
        return all
    }

    /// Refuses a relative path that leads out of a directives file's folder, also by a link.
    static func checkStays(_ path: String, within folder: String, _ name: String) throws(LianError) {
        let landing = BroughtOutput.landing(absolutePath(path, from: folder))
        guard path.hasPrefix("/") || isPath(landing, within: folder) else {
            throw LianError(
                .directivesInvalid, .resolve, "\(name): '\(path)' leads out of the file's folder, to \(landing)",
                hint: "Write it as an absolute path if that is meant.")
        }
    }

    /// Refuses what several artifacts bring to one place.
    func checkPlaces(of artifacts: [ArtifactRequest]) throws {
        var taken: [(owner: String, output: BroughtOutput)] = []
        for artifact in artifacts {
            let caches = artifact.cacheTo.compactMap(\.folder).map { BroughtOutput(.local, to: .folder($0)) }
            for output in artifact.outputs.brought + caches {
                for (owner, other) in taken {
                    guard let collision = output.collision(with: other) else { continue }
                    let who = owner == artifact.name ? "'\(owner)'" : "'\(owner)' and '\(artifact.name)'"
                    throw refusal("\(who): \(collision)", hint: "Give each output a place of its own.")
                }
                taken.append((artifact.name, output))
            }
        }
    }

    static func check(_ path: String, isFolder: Bool, _ name: String) throws(LianError) {
        func refusal(_ message: String, _ hint: String) -> LianError {
            LianError(.outputUnusable, .resolve, "\(name): \(message)", hint: hint)
        }
        var status = stat()
        if lstat(path, &status) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFLNK:
                let target = realPath(path).map { "Name where it leads to: \($0)." } ?? "It leads nowhere: remove it."
                throw refusal("\(path) is a link", target)
            case S_IFDIR where !isFolder:
                throw refusal("\(path) is a folder", "Name the file to write, like dest=\(path)/image.tar.")
            case S_IFDIR,
                S_IFREG where !isFolder:
                break
            default:
                throw refusal(
                    "\(path) is not a \(isFolder ? "folder" : "regular file")",
                    "Name another place, or remove what is there.")
            }
        }
        let parent = nearestFolder(isFolder ? path : parentFolder(path))
        guard fileKind(parent) == .folder else {
            throw refusal("\(parent) is not a folder", "Name another place, or remove what is there.")
        }
        guard access(parent, W_OK | X_OK) == 0 else {
            throw refusal(
                "\(parent) cannot be written to: \(SystemError("access").reason)",
                "Name a folder that this user may write to.")
        }
    }
}
