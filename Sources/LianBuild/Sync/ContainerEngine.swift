import LianModel
import LianSystem

/// The caller's own Docker, or Podman, which takes images.
struct ContainerEngine: Sendable {
    /// docker or podman.
    let name: String
    private let program: String
    private let environment: [String: String]

    private static let patience: Duration = .seconds(20)

    /// The first of both that is there and answers.
    static func find(environment: [String: String]) async throws -> ContainerEngine {
        var silent: [String] = []
        for name in ["docker", "podman"] {
            guard let program = findExecutable(name, path: environment["PATH"]) else { continue }
            let engine = ContainerEngine(name: name, program: program, environment: own(environment))
            guard case .failure(let complaint) = try await engine.run(["version"], within: patience) else {
                return engine
            }
            silent.append("\(name) does not answer: \(complaint.last ?? "it says nothing")")
        }
        throw LianError(
            .outputUnusable, .resolve,
            "--load: \(silent.isEmpty ? "neither docker nor podman is on this machine's PATH" : silent.joined(separator: "; "))",
            hint: "Start it, set DOCKER_HOST, or write a file: --output type=docker,dest=image.tar.")
    }

    /// What it needs to know of its caller's environment, in which there are secrets too.
    private static func own(_ environment: [String: String]) -> [String: String] {
        environment.filter { name, _ in
            ["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK"].contains(name) || name.hasPrefix("DOCKER_")
                || name.hasPrefix("CONTAINER")
        }.merging(["LC_ALL": "C"]) { $1 }
    }

    /// Takes the image of a file. Whoever made the file wrote the image's names into it: an engine that took one which
    /// was not asked for may have lost what had that name.
    func load(_ file: String, names: [ImageReference]) async throws {
        let output: String
        switch try await run(["load", "--input", file], within: nil) {
        case .success(let text): output = text
        case .failure(let complaint):
            throw LianError(
                .outputFailed, .build,
                "the build went well, but \(name) did not take the image: \(complaint.last ?? "")",
                hint: "\(name) load --input FILE should work by itself.", logTail: complaint)
        }
        let asked = names.map(\.description).flatMap { name in
            [name] + Self.leftOut.filter(name.hasPrefix).map { String(name.dropFirst($0.count)) }
        }
        let strange = Self.loadedNames(output).filter { !asked.contains($0) }
        guard strange.isEmpty else {
            throw LianError(
                .outputFailed, .build,
                "the runner's image came with a name that was not asked for: \(name) has taken "
                    + strange.joined(separator: ", "),
                hint: "Pull what had this name before, and find out who changed the runner or its engine.")
        }
    }

    /// What Docker leaves out of a name.
    private static let leftOut = ["docker.io/", "docker.io/library/"]

    /// As Docker and Podman say them.
    private static func loadedNames(_ output: String) -> [String] {
        output.split(separator: "\n").flatMap { line in
            line.hasPrefix("Loaded image: ") ? line.dropFirst("Loaded image: ".count).split(separator: ",") : []
        }.map { onOneLine(String($0.drop { $0 == " " }), limit: 200) }
    }

    private enum Ended {
        case success(String)
        /// With what it says of it.
        case failure([String])
    }

    private func run(_ arguments: [String], within limit: Duration?) async throws -> Ended {
        do throws(SubprocessFailure) {
            let result = try await LianSystem.run(
                Command(program, arguments, environment: environment), deadline: limit, outputLimit: 1 << 20)
            guard !result.termination.isSuccess else { return .success(result.outputText) }
            let lines = result.errorText.split(separator: "\n").suffix(20).map { onOneLine(String($0)) }
            return .failure(lines.isEmpty ? ["\(result.termination)"] : lines)
        } catch {
            switch error {
            case .cancelled: throw CancellationError()
            case .couldNotStart(let error): return .failure(["\(error)"])
            case .timedOut: return .failure(["nothing within \(limit.map(\.components.seconds) ?? 0) s"])
            case .tooMuchOutput: return .failure(["it says more than anybody reads"])
            }
        }
    }
}
