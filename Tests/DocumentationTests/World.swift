import Foundation
import LianSystem
import LianTestSupport

/// A machine for one document: namespaces of its own for network, mounts and processes, so that its commands run as they
/// stand, on the very ports that they name, and nothing outlives them.
enum World {
    /// Runs the steps one after the other in one shell, after the commands of the preparation. The lines that each
    /// printed; nil for one that did not end.
    static func run(_ steps: [Transcript.Step], preparation: String) async throws -> [[String]?] {
        try await withShortTemporaryFolder { folder in
            let answers = folder.appending(path: "answers")
            let work = folder.appending(path: "work")
            // Its home is the folder itself: sockets are below it, whose paths have to be short.
            for new in [answers, work, folder.appending(path: "tmp")] {
                try FileManager.default.createDirectory(at: new, withIntermediateDirectories: true)
            }
            // Where a reader keeps the project: a copy, which a command may write to.
            let project = folder.appending(path: "src/lian-build")
            try FileManager.default.createDirectory(at: project, withIntermediateDirectories: true)
            for part in ["examples", "schemas", "defaults"] {
                try FileManager.default.copyItem(
                    at: Project.root.appending(path: part), to: project.appending(path: part))
            }
            let script = folder.appending(path: "script.sh")
            try text(of: steps, preparation: preparation, answers: answers.path)
                .write(to: script, atomically: true, encoding: .utf8)
            let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
            let command = Command(
                "/usr/bin/unshare",
                [
                    "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/bash", script.path,
                ],
                environment: [
                    "PATH": "\(Project.products.path):\(Project.tools.path):\(path)", "HOME": folder.path,
                    "TMPDIR": folder.appending(path: "tmp").path, "LC_ALL": "C.UTF-8",
                ],
                workingDirectory: work.path)
            // Where it does not end in time, the steps say which one did not.
            _ = try? await LianSystem.run(command, deadline: .seconds(900), outputLimit: 1 << 20)
            return steps.indices.map { index in
                guard let text = try? String(contentsOf: answers.appending(path: "\(index)"), encoding: .utf8),
                    FileManager.default.fileExists(atPath: answers.appending(path: "\(index).end").path)
                else { return nil }
                let lines = text.components(separatedBy: "\n")
                return lines.last == "" ? lines.dropLast() : lines
            }
        }
    }

    private static func text(of steps: [Transcript.Step], preparation: String, answers: String) -> String {
        var lines = ["ip link set lo up", preparation]
        for (index, step) in steps.enumerated() {
            // The status of one command is what the next one may ask for.
            lines += [
                "{", step.command, "} >'\(answers)/\(index)' 2>&1", "status=$?", ": >'\(answers)/\(index).end'",
                "(exit $status)",
            ]
        }
        // An orchestrator takes its runners with it.
        lines += ["jobs -p | xargs -r kill", "wait"]
        return lines.joined(separator: "\n") + "\n"
    }
}
