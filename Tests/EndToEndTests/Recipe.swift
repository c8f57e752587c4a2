import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// What a shell of a CI system came to.
struct FinishedJob: Sendable {
    let status: Int32
    let output: String
    let errors: String

    var story: String { "\(status)\n\(output)\n\(errors)" }
}

/// A file under recipes/, and what of it is shell.
struct Recipe: Sendable {
    static let lianCI = Recipe("lian-ci").file

    let file: URL

    init(_ path: String) {
        file = Project.root.appending(path: "recipes/\(path)")
    }

    var text: String {
        get throws { try String(contentsOf: file, encoding: .utf8) }
    }

    /// As a YAML parser reads it.
    var yaml: JSONValue {
        get async throws {
            let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
            let result = try await LianSystem.run(
                Command("/usr/bin/python3", ["-c", program, file.path], environment: ["PATH": "/usr/bin:/bin"]),
                deadline: .seconds(60))
            try #require(result.termination.isSuccess, "\(file.path): \(result.errorText)")
            return try JSONValue.parse(result.outputText)
        }
    }

    /// The texts between `sh '''` and `'''` of a Jenkinsfile, in which Groovy would read a backslash as an escape.
    var groovyShell: [String] {
        get throws {
            let scripts = try text.matches(of: /sh '''\n(.*?)'''/.dotMatchesNewlines()).map { String($0.output.1) }
            try #require(!scripts.contains { $0.contains("\\") })
            return scripts
        }
    }

    /// `${{ NAME }}` of GitHub's, each to be found in the values.
    static func filledIn(_ text: String, _ values: [String: String]) throws -> String {
        var filled = text
        for match in text.matches(of: /\$\{\{ ([A-Za-z0-9_.-]+) \}\}/) {
            let value = try #require(values[String(match.output.1)], "\(match.output.0)")
            filled = filled.replacingOccurrences(of: String(match.output.0), with: value)
        }
        return filled
    }
}

extension JSONValue {
    /// The entries that are texts, as variables are.
    var variables: [String: String] { (objectValue ?? [:]).compactMapValues(\.stringValue) }

    /// Commands, one a line.
    var shell: String { (arrayValue ?? []).compactMap(\.stringValue).joined(separator: "\n") + "\n" }
}

/// `NAME=VALUE` lines.
func variables(of file: URL) throws -> [String: String] {
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    let pairs = lines.map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init) }
    return Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0.count == 2 ? $0[1] : "") })
}

extension Scene {
    /// A folder as a CI system checks it out, with a context at its top.
    func checkout(_ dockerfile: String = "FROM scratch\nCOPY note /note\n") throws -> URL {
        URL(filePath: try context(dockerfile, files: ["note": "hello"], named: "checkout"))
    }

    /// What a job finds in its environment: the programs, and where this stage is.
    func jobEnvironment(_ more: [String: String] = [:]) -> [String: String] {
        var environment = environment([
            "LIAN_CI": Recipe.lianCI.path, "LIAN_IMAGE": image(), "BUILDKIT_WORKSPACE": workspace,
        ])
        environment["PATH"] = "\(Project.products.path):\(environment["PATH"] ?? "")"
        return environment.merging(more) { $1 }
    }

    func job(
        _ program: [String], in checkout: URL, environment: [String: String]
    ) async throws -> FinishedJob {
        let result = try await LianSystem.run(
            Command(program[0], Array(program.dropFirst()), environment: environment, workingDirectory: checkout.path),
            deadline: .seconds(180))
        guard case .exited(let status) = result.termination else {
            throw FixtureError("\(program) ended by \(result.termination): \(result.errorText)")
        }
        return FinishedJob(status: status, output: result.outputText, errors: result.errorText)
    }
}
