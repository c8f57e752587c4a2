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
            guard let complaint = try await engine.run(["version"], within: patience) else { return engine }
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

    /// Takes the image of a file.
    func load(_ file: String) async throws {
        guard let complaint = try await run(["load", "--quiet", "--input", file], within: nil) else { return }
        throw LianError(
            .outputFailed, .build, "the build went well, but \(name) did not take the image: \(complaint.last ?? "")",
            hint: "\(name) load --input FILE should work by itself.", logTail: complaint)
    }

    /// What it says where it fails; nil where it does not.
    private func run(_ arguments: [String], within limit: Duration?) async throws -> [String]? {
        do throws(SubprocessFailure) {
            let result = try await LianSystem.run(
                Command(program, arguments, environment: environment), deadline: limit, outputLimit: 1 << 20)
            guard !result.termination.isSuccess else { return nil }
            let lines = result.errorText.split(separator: "\n").suffix(20).map { onOneLine(String($0)) }
            return lines.isEmpty ? ["\(result.termination)"] : lines
        } catch {
            switch error {
            case .cancelled: throw CancellationError()
            case .couldNotStart(let error): return ["\(error)"]
            case .timedOut: return ["nothing within \(limit.map(\.components.seconds) ?? 0) s"]
            case .tooMuchOutput: return ["it says more than anybody reads"]
            }
        }
    }
}
