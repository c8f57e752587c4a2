import Foundation
import Glibc
import LianSystem

/// A machine that builds are sent to: a real sshd, a real rsync, and in buildctl's place a script to order.
package struct ScriptedRunner: Sendable {
    package let server: SSHServer
    /// Where contexts and runs go.
    package let workDir: String
    /// The folder in memory where secrets are kept.
    package let memory: String
    fileprivate let programs: URL

    /// What the script prints into the metadata file, unless it is told otherwise.
    package static let digest = "sha256:" + String(repeating: "a1", count: 32)

    /// A build of one step that goes well.
    package static let success = """
        echo '#1 [1/1] COPY . /'
        echo '#1 DONE 0.1s'
        succeed
        """

    /// The port is a proxy's, where the way to the runner shall be able to fail.
    package func machine(port: Int? = nil) -> ScriptedOrchestrator.Machine {
        ScriptedOrchestrator.Machine(
            port: port ?? server.port, user: server.user, hostKeys: server.hostKeyLines, workDir: workDir)
    }

    /// What `buildctl build` does from now on, as lines of sh: `$metadata` is its metadata file, `$context` the
    /// context's folder, `succeed` writes the digest of an image. From version 0.13 on it is told to speak rawjson.
    package func setEngine(_ script: String, version: String = "0.12.5") throws {
        let head = """
            [ "$1" != --version ] || { echo 'buildctl github.com/moby/buildkit v\(version) 0'; exit 0; }
            metadata= context= previous=
            for word do
              case $previous=$word in
                --metadata-file=*) metadata=$word ;;
                --local=context=*) context=${word#context=} ;;
              esac
              previous=$word
            done
            # The warm-up, which wants no image.
            [ -n "$metadata" ] || exit 0
            succeed() { echo '{"containerimage.digest":"\(Self.digest)"}' >"$metadata"; }
            """
        try writeScript("\(head)\n\(script)", to: programs.appending(path: "buildctl"))
    }

    /// Puts a program before all others of its name.
    package func setProgram(_ name: String, _ script: String) throws {
        try writeScript(script, to: programs.appending(path: name))
    }

    /// The processes of builds that still run, and what they keep in memory. Empty where all is over.
    package func remains() -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: memory)) ?? []
        return server.startedPIDs().map { "process \($0) \(commandLine(of: $0))" } + files.map { "secrets \($0)" }
    }

    /// As a machine that is switched off: nothing of what was started on it is left, nor what was in its memory.
    package func switchOff() {
        // What starts a child in this moment is seen the next time.
        for _ in 0..<100 {
            let pids = server.startedPIDs() + server.sessionPIDs()
            if pids.isEmpty { break }
            for pid in pids { kill(pid, SIGKILL) }
            usleep(10_000)
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: memory)) ?? [] {
            try? FileManager.default.removeItem(atPath: "\(memory)/\(name)")
        }
    }
}

/// Runs such a machine for the length of the body. Where the PATH is to hold only some programs, they are named.
package func withScriptedRunner<Result>(
    _ options: SSHServerOptions = SSHServerOptions(), programs names: [String]? = nil,
    _ body: (ScriptedRunner) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { folder in
        try await withTemporaryFolder(inMemory: true) { memory in
            let programs = folder.appending(path: "bin")
            try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
            for name in names ?? [] {
                try FileManager.default.createSymbolicLink(
                    atPath: programs.appending(path: name).path, withDestinationPath: try Project.tool(name))
            }
            var options = options
            options.environment["PATH"] = programs.path + (names == nil ? ":/usr/bin:/bin" : "")
            options.environment["XDG_RUNTIME_DIR"] = memory.path
            return try await withSSHServer(options) { server in
                let runner = ScriptedRunner(
                    server: server, workDir: folder.appending(path: "work").path, memory: memory.path,
                    programs: programs)
                try runner.setEngine(ScriptedRunner.success)
                return try await body(runner)
            }
        }
    }
}
