import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

/// What becomes of all that a script under scripts/ has started when somebody ends the script alone.
@Suite struct ScriptTests {
    /// Runs the body as a script that has sourced scripts/lib/setup.sh, in the folder.
    private func script(_ body: String, in folder: URL) throws -> RunningProcess {
        let setup = Project.root.appending(path: "scripts/lib/setup.sh").path
        return try RunningProcess(
            Command(
                "/bin/bash", ["-c", "set -euo pipefail\n. '\(setup)'\n\(body)", folder.path],
                environment: ["PATH": "\(folder.path):/usr/bin:/bin:/usr/sbin:/sbin"], workingDirectory: folder.path),
            outputFile: folder.appending(path: "output"))
    }

    private func exists(_ name: String, in folder: URL) -> Bool {
        FileManager.default.fileExists(atPath: folder.appending(path: name).path)
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func whatItWaitsForEndsWithIt(signal: Int32) async throws {
        try await withTemporaryFolder { folder in
            // The one in the background ends after the one that is waited for, and the rest after both.
            let process = try script(
                #"""
                root_by=()
                sh -c 'trap "[ -d /proc/\$(cat started) ] || touch in-order; exit" TERM; : >ready; while :; do sleep 0.02; done' &
                daemons+=($!)
                at_exit touch last
                while [ ! -e ready ]; do sleep 0.02; done
                sh -c 'echo $$ >begun; mv begun started; sleep 1000000; :'
                touch went-on
                """#, in: folder)
            defer { process.stop() }
            #expect(await eventually { exists("started", in: folder) })
            // A terminal tells all that it has started, others tell the script.
            kill(signal == SIGINT ? -process.pid : process.pid, signal)
            let end = await process.ended()
            #expect(end == .signalled(signal), "\(process.output)")
            #expect(exists("in-order", in: folder) && exists("last", in: folder) && !exists("went-on", in: folder))
            // The pause of the one in the background ends by itself.
            #expect(await eventually { processes(workingIn: folder.path).isEmpty })
        }
    }

    /// The policy against starting services goes with the script that placed it, once apt-get has done its work.
    @Test func noPolicyIsLeftBehind() async throws {
        try await withTemporaryFolder { folder in
            try writeScript(
                "echo \"$1\" >>calls; case $1 in install) : >installs; while [ ! -e go ]; do sleep 0.02; done;"
                    + " : >installed;; esac", to: folder.appending(path: "apt-get"))
            let process = try script(
                "root_by=() tools=$PWD policy=$PWD/policy\ninstall_debian_packages no-such-package-of-debian",
                in: folder)
            defer { process.stop() }
            #expect(await eventually { exists("installs", in: folder) })
            #expect(exists("policy", in: folder))
            kill(process.pid, SIGTERM)
            // It goes on while apt-get does, and so does the policy.
            try Data().write(to: folder.appending(path: "go"))
            #expect(await process.ended() == .signalled(SIGTERM), "\(process.output)")
            #expect(exists("installed", in: folder) && !exists("policy", in: folder))
            #expect(processes(workingIn: folder.path).isEmpty)
        }
    }

    /// A policy of the machine's own stays; one of a script that was killed does not.
    @Test(arguments: [true, false])
    func whosePolicyItIs(ofAScript: Bool) async throws {
        try await withTemporaryFolder { folder in
            try writeScript(":", to: folder.appending(path: "apt-get"))
            let process = try script(
                """
                root_by=() tools=$PWD policy=$PWD/policy
                echo "\(ofAScript ? "$policy_mark" : "of the machine")" >policy
                install_debian_packages no-such-package-of-debian
                """, in: folder)
            defer { process.stop() }
            #expect(await process.ended() == .exited(0), "\(process.output)")
            #expect(exists("policy", in: folder) != ofAScript)
        }
    }
}
