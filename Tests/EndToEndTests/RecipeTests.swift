import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension EndToEnd {
    /// The recipes as they stand, by the shells that the CI systems run them with.
    @Suite struct RecipeTests {
        private func expectDeployment(_ job: FinishedJob, of scene: Scene) async throws {
            let kept = try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")
            let digest = try #require(kept)
            #expect(job.status == 0 && job.output == "to deploy is \(scene.image())@\(digest)\n", "\(job.story)")
        }

        /// Runs the action as its one step would be, and gives its outputs.
        private func gitHubAction(
            _ scene: Scene, in checkout: URL, with inputs: [String: String]
        ) async throws -> (job: FinishedJob, outputs: [String: String]) {
            let action = try await Recipe("github/action.yml").yaml
            let defaults = (action["inputs"]?.objectValue ?? [:]).mapValues { $0["default", or: ""] }
            #expect(Set(inputs.keys).isSubset(of: defaults.keys))
            let steps = try #require(action["runs"]?["steps"]?.arrayValue)
            let step = try #require(steps.first)
            #expect(steps.count == 1 && step["shell"] == "bash")
            let values = defaults.merging(inputs) { $1 }
            let named = Dictionary(uniqueKeysWithValues: values.map { ("inputs.\($0)", $1) })
            let outputFile = scene.folder.appending(path: "github-output")
            try Data().write(to: outputFile)
            let environment = try (step["env"] ?? .null).variables.mapValues { try Recipe.filledIn($0, named) }
            let run = step["run", or: ""]
            // An expression in the script itself would be read as shell.
            #expect(!run.contains("${{"))
            let github = [
                "GITHUB_OUTPUT": outputFile.path,
                "GITHUB_ACTION_PATH": Project.root.appending(path: "recipes/github").path,
            ]
            let job = try await scene.job(
                ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run], in: checkout,
                environment: scene.jobEnvironment(environment.merging(github) { $1 }))
            let written = try variables(of: outputFile)
            let stepOutputs = Dictionary(uniqueKeysWithValues: written.map { ("steps.build.outputs.\($0)", $1) })
            let outputs = try (action["outputs"]?.objectValue ?? [:]).mapValues {
                try Recipe.filledIn($0["value", or: ""], stepOutputs)
            }
            return (job, outputs)
        }

        private func inputs(_ scene: Scene, _ more: [String: String] = [:]) -> [String: String] {
            let own = [
                "workspace": scene.workspace, "image": scene.image(), "orchestrator-url": scene.orchestrator.url,
                "orchestrator-token": scene.orchestrator.token,
            ]
            return own.merging(more) { $1 }
        }

        @Test func gitHubActions() async throws {
            try await withScene { scene in
                let workflow = try await Recipe("github/workflow.yml").yaml
                let steps = try #require(workflow["jobs"]?["image"]?["steps"]?.arrayValue)
                let use = try #require(steps.first { $0["uses"] == "./recipes/github" })
                let given = try (use["with"] ?? .null).variables.mapValues {
                    try Recipe.filledIn($0, ["github.sha": "0a1b2c", "secrets.ORCHESTRATOR_TOKEN": "none"])
                }
                // All that the workflow gives, but what is this stage's own, and what its engine cannot do.
                let flags = given["flags", default: ""].replacingOccurrences(of: "--attest=provenance\n", with: "")
                let (job, outputs) = try await gitHubAction(
                    scene, in: try scene.checkout(), with: given.merging(inputs(scene, ["flags": flags])) { $1 })
                try #require(job.status == 0, "\(job.story)")
                #expect(outputs["cause"] == "none" && outputs["image"] == scene.image())
                #expect(outputs["envelope"] == "lian-build.json")
                let image = try await scene.registry.configuration(of: "\(scene.workspace)/app", tag: "1")
                #expect(image["config"]?["Labels"]?["revision"] == "0a1b2c")

                let deploy = try #require(steps.last)
                let named = Dictionary(uniqueKeysWithValues: outputs.map { ("steps.app.outputs.\($0)", $1) })
                let release = try (deploy["env"] ?? .null).variables.mapValues { try Recipe.filledIn($0, named) }
                let deployed = try await scene.job(
                    ["/bin/bash", "-e", "-c", deploy["run", or: ""]], in: scene.folder,
                    environment: scene.jobEnvironment(release))
                try await expectDeployment(deployed, of: scene)
            }
        }

        @Test func aFailureIsAnAnnotation() async throws {
            try await withScene { scene in
                let (job, outputs) = try await gitHubAction(
                    scene, in: try scene.checkout(Scene.shell + "RUN echo 100% gone; exit 7\n"), with: inputs(scene))
                #expect(job.status == 1, "\(job.story)")
                #expect(outputs["cause"] == "build" && outputs["digest"] == "")
                let annotation = job.output.split(separator: "\n").first { $0.hasPrefix("::error ") }
                #expect(annotation?.hasPrefix("::error title=build_failed::") == true, "\(job.output)")
                #expect(annotation?.contains("%0A") == true)
            }
        }

        /// Directives in place of context and image; an input with a line's end or a quote in it stays one argument.
        @Test func inputsAreNeverShell() async throws {
            try await withScene { scene in
                let checkout = try scene.checkout()
                let odd = "$(touch made-by-an-input); 'quoted' \""
                let (job, outputs) = try await gitHubAction(
                    scene, in: checkout,
                    with: inputs(scene, ["image": "", "directives": odd, "flags": "--cpu=1\n\n--memory-gb=1\n"]))
                #expect(job.status == 2 && outputs["cause"] == "request", "\(job.story)")
                #expect(job.output.contains("::error title=directives_unreadable::"))
                let made = checkout.appending(path: "made-by-an-input").path
                #expect(!FileManager.default.fileExists(atPath: made))
            }
        }

        @Test func gitLabCI() async throws {
            try await withScene { scene in
                let file = try await Recipe("gitlab/image.gitlab-ci.yml").yaml
                let template = try #require(file[".lian-build"])
                let image = try #require(file["image"])
                #expect(image["extends"] == ".lian-build" && template["retry"] == 0)
                let checkout = try scene.checkout()
                let written = (template["variables"] ?? .null).variables
                    .merging((image["variables"] ?? .null).variables) { $1 }
                let environment = written.merging(scene.jobEnvironment()) { $1 }
                let bash = ["/bin/bash", "-eo", "pipefail", "-c"]
                let built = try await scene.job(
                    bash + [(template["script"] ?? .null).shell], in: checkout, environment: environment)
                try #require(built.status == 0, "\(built.story)")
                let paths = try #require(template["artifacts"]?["paths"]?.arrayValue)
                for path in paths.compactMap(\.stringValue) {
                    #expect(FileManager.default.fileExists(atPath: checkout.appending(path: path).path))
                }
                let report = template["artifacts"]?["reports"]?["dotenv"]?.stringValue ?? ""
                let handedOn = try variables(of: checkout.appending(path: report))
                let deployed = try await scene.job(
                    bash + [(file["deploy"]?["script"] ?? .null).shell], in: scene.folder,
                    environment: scene.jobEnvironment(handedOn))
                try await expectDeployment(deployed, of: scene)
            }
        }

        @Test func woodpecker() async throws {
            try await withScene { scene in
                let file = try await Recipe("woodpecker/image.yaml").yaml
                let image = try #require(file["steps"]?["image"])
                #expect(image["environment"]?["ORCHESTRATOR_TOKEN"]?["from_secret"] != nil)
                let checkout = try scene.checkout()
                let environment = (image["environment"] ?? .null).variables.merging(scene.jobEnvironment()) { $1 }
                let built = try await scene.job(
                    ["/bin/sh", "-e", "-c", (image["commands"] ?? .null).shell], in: checkout, environment: environment)
                try #require(built.status == 0, "\(built.story)")
                let deploy = try #require(file["steps"]?["deploy"]?["commands"])
                let deployed = try await scene.job(
                    ["/bin/sh", "-e", "-c", deploy.shell], in: checkout, environment: scene.jobEnvironment())
                try await expectDeployment(deployed, of: scene)
            }
        }

        /// What a pull request's job runs, by which shell, and with which variables; and what the branch's does.
        private struct Job {
            let shell: [String]
            let script: String
            let variables: [String: String]
            let branch: String
        }

        private func job(of system: String) async throws -> Job {
            switch system {
            case "github":
                let steps = try await Recipe("github/pull-request.yml").yaml["jobs"]?["image"]?["steps"]?.arrayValue
                let step = try #require(steps?.last)
                // Nothing of the checkout is run by the workflow itself.
                #expect(steps?.count == 2 && step["uses"] == nil)
                let values = ["github.event.number": "7", "secrets.ORCHESTRATOR_PR_TOKEN": TeamToken.pullRequests]
                let variables = try (step["env"] ?? .null).variables.mapValues { try Recipe.filledIn($0, values) }
                let script = step["run", or: ""]
                return Job(shell: ["/bin/bash", "-e", "-c"], script: script, variables: variables, branch: script)
            case "gitlab":
                let file = try await Recipe("gitlab/image.gitlab-ci.yml").yaml
                let template = file[".lian-build"] ?? .null
                let script = (template["script"] ?? .null).shell
                let own = (file["image-of-merge-request"]?["variables"] ?? .null).variables
                let variables = (template["variables"] ?? .null).variables.merging(own) { $1 }
                return Job(
                    shell: ["/bin/bash", "-eo", "pipefail", "-c"], script: script, variables: variables, branch: script)
            default:
                let image = try await Recipe("woodpecker/pull-request.yaml").yaml["steps"]?["image"] ?? .null
                let branch = try await Recipe("woodpecker/image.yaml").yaml["steps"]?["image"] ?? .null
                return Job(
                    shell: ["/bin/sh", "-e", "-c"], script: (image["commands"] ?? .null).shell,
                    variables: (image["environment"] ?? .null).variables, branch: (branch["commands"] ?? .null).shell)
            }
        }

        /// A pull request builds as the session that its recipe names; where it makes CI's job of its own, its token keeps it
        /// from what CI trusts.
        @Test(arguments: ["github", "gitlab", "woodpecker"])
        func aPullRequestPoisonsNothing(system: String) async throws {
            let job = try await job(of: system)
            #expect(job.variables["BUILDKIT_ACTOR"]?.isEmpty == false)
            try await withTemporaryFolder { folder in
                let config = try await teamConfiguration(in: folder)
                try await withBuildStage(flags: ["--config", config]) { stage in
                    try await withBuildScene(on: stage) { scene in
                        let checkout = try scene.checkout(Scene.shell + "RUN echo made >/made\n")
                        func run(_ script: String, actor: String?, token: String) async throws -> FinishedJob {
                            var own = scene.jobEnvironment(["ORCHESTRATOR_TOKEN": token, "LIAN_CONTEXT": "."])
                            own["BUILDKIT_ACTOR"] = actor
                            var variables = job.variables.merging(own) { $1 }
                            if actor == nil { variables["BUILDKIT_ACTOR"] = nil }
                            let script = script.replacing(
                                "/usr/share/lian-build/recipes/lian-ci", with: Recipe.lianCI.path)
                            return try await scene.job(job.shell + [script], in: checkout, environment: variables)
                        }
                        let ci = try await run(job.branch, actor: nil, token: scene.orchestrator.token)
                        #expect(ci.status == 0, "\(ci.story)")
                        let session = try await run(
                            job.script, actor: "pr-7", token: TeamToken.pullRequests)
                        #expect(session.status == 0, "\(session.story)")
                        let poison = try await run(job.branch, actor: nil, token: TeamToken.pullRequests)
                        #expect(poison.status == 3, "\(poison.story)")
                        #expect(poison.story.contains("volumes of the layer 'ci'"), "\(poison.story)")
                        let volumes = try await scene.orchestrator.request("GET", "/api/v1/volumes").json["data"]
                        let names = volumes?.arrayValue?.map {
                            "\($0["name", or: ""]) \($0["generation"]?.intValue ?? 0)"
                        }
                        #expect(
                            names?.sorted() == [
                                "ci/\(scene.workspace)/app 1", "dev/pr--7-\(scene.workspace)/app 1",
                            ])
                    }
                }
            }
        }

        @Test func jenkins() async throws {
            try await withScene { scene in
                let scripts = try Recipe("jenkins/Jenkinsfile").groovyShell
                try #require(scripts.count == 2)
                let checkout = try scene.checkout()
                let environment = scene.jobEnvironment(["LIAN_CONTEXT": ".", "LIAN_ENVELOPE": "lian-build.json"])
                for name in environment.keys where name.hasPrefix("LIAN_") || name.hasPrefix("BUILDKIT_") {
                    #expect(try Recipe("jenkins/Jenkinsfile").text.contains("    \(name) = "), "\(name)")
                }
                let built = try await scene.job(
                    ["/bin/sh", "-xe", "-c", scripts[0]], in: checkout, environment: environment)
                try #require(built.status == 0, "\(built.story)")
                let deployed = try await scene.job(
                    ["/bin/sh", "-xe", "-c", scripts[1]], in: checkout, environment: environment)
                try await expectDeployment(deployed, of: scene)
            }
        }

        @Test func aBuildByATimer() async throws {
            try await withScene { scene in
                let nightly = Recipe("shell/nightly").file.path
                let flags = ["--context", ".", "--image", scene.image()]
                let checkout = try scene.checkout()
                let built = try await scene.job(
                    [nightly] + flags, in: checkout, environment: scene.jobEnvironment())
                try await expectDeployment(built, of: scene)

                let gone = try await scene.job(
                    [nightly] + flags + ["--spawn-timeout=1"], in: checkout,
                    environment: scene.jobEnvironment(["ORCHESTRATOR_URL": "http://127.0.0.1:1"]))
                #expect(
                    gone.status == 0 && gone.output.hasPrefix("put off: orchestrator_unreachable: "), "\(gone.story)")

                let wrong = try await scene.job(
                    [nightly, "--imgae", "x"], in: checkout, environment: scene.jobEnvironment())
                #expect(wrong.status == 2 && wrong.output.isEmpty)
                #expect(wrong.errors.contains("did you mean --image?") && wrong.errors.contains("request"))
            }
        }

        @Test func aSession() async throws {
            try await withScene { scene in
                let checkout = try scene.checkout(Scene.shell + "RUN echo made >/made\n")
                let repository = String(scene.image().dropLast(2))
                let environment = scene.jobEnvironment(["BUILDKIT_ACTOR": "ada"])
                for round in 1...2 {
                    let built = try await scene.job(
                        [Recipe("shell/dev-image").file.path, repository], in: checkout, environment: environment)
                    #expect(built.status == 0, "\(built.story)")
                    #expect(built.output.hasPrefix("\(repository):dev-ada@sha256:"))
                    #expect(built.output.contains(/cache written: [^\n]*\/dev\/ada/), "\(built.output)")
                    #expect(built.output.contains(": 0 of ") == (round == 1), "\(built.output)")
                }
            }
        }

        @Test func aProbe() async throws {
            try await withScene { scene in
                let probe = Recipe("shell/probe").file.path
                let well = try await scene.job(
                    [probe, "secrets", "orchestrator"], in: scene.folder,
                    environment: scene.jobEnvironment([
                        "PROBE_SECRETS": "PUSH_AUTH", "PUSH_AUTH": "sixteen bytes and more",
                    ]))
                #expect(well.status == 0, "\(well.story)")
                #expect(
                    well.output.contains("pass\torchestrator\t") && well.output.contains("resolved\tsecret PUSH_AUTH"))
                #expect(!well.story.contains("sixteen bytes"))

                let missing = try await scene.job(
                    [probe, "secrets"], in: scene.folder,
                    environment: scene.jobEnvironment(["PROBE_SECRETS": "NOT_THERE  NOR_HERE"]))
                #expect(missing.status == 1 && missing.output.contains("missing\tsecret NOR_HERE"), "\(missing.story)")

                let wrong = try await scene.job(
                    [probe, "colour"], in: scene.folder, environment: scene.jobEnvironment())
                #expect(wrong.status == 2 && wrong.output.hasPrefix("error\t"), "\(wrong.story)")
            }
        }

        /// A CI system tells the job's shell alone, and so does who ends a script of a timer.
        @Test(arguments: ["lian-ci", "shell/nightly", "shell/dev-image"])
        func aCancelledJobDestroysItsRunner(recipe: String) async throws {
            try await withScene { scene in
                // A number that no other process's arguments hold.
                let seconds = "\(Int.random(in: 1_000_000_000...9_000_000_000))"
                let checkout = try scene.checkout(Scene.shell + "RUN echo at work; busybox sleep \(seconds)\n")
                let repository = scene.image().split(separator: ":").dropLast().joined(separator: ":")
                let arguments =
                    recipe == "shell/dev-image" ? [repository] : ["--context", ".", "--image", scene.image()]
                let job = try RunningProcess(
                    Command(
                        Recipe(recipe).file.path, arguments,
                        environment: scene.jobEnvironment(["LIAN_OUTPUT": "out.env", "BUILDKIT_ACTOR": "ada"]),
                        workingDirectory: checkout.path),
                    outputFile: scene.folder.appending(path: "job.log"))
                defer { job.stop() }
                #expect(await eventually { !processes(holding: "sleep\0\(seconds)").isEmpty })
                kill(job.pid, SIGTERM)
                #expect(await job.ended() == .exited(143), "\(job.output)")
                #expect(processes(holding: repository).isEmpty)
                #expect(try await scene.orchestrator.runners().isEmpty)
                guard recipe != "shell/dev-image" else { return }
                let handedOn = try variables(of: checkout.appending(path: "out.env"))
                #expect(handedOn["LIAN_STATUS"] == "cancelled" && handedOn["LIAN_CAUSE"] == "cancelled")
            }
        }

        @Test func aCancelledProbeEndsWhatItAsks() async throws {
            try await withScene { scene in
                try writeScript(
                    "trap 'exit 143' TERM; : >asked; while :; do sleep 0.02; done",
                    to: scene.folder.appending(path: "lian-build"))
                var environment = scene.jobEnvironment()
                environment["PATH"] = "\(scene.folder.path):\(environment["PATH"] ?? "")"
                let probe = try RunningProcess(
                    Command(
                        Recipe("shell/probe").file.path, ["tools"], environment: environment,
                        workingDirectory: scene.folder.path),
                    outputFile: scene.folder.appending(path: "probe.log"))
                defer { probe.stop() }
                let asked = scene.folder.appending(path: "asked").path
                #expect(await eventually { FileManager.default.fileExists(atPath: asked) })
                kill(probe.pid, SIGTERM)
                #expect(await probe.ended() == .exited(143), "\(probe.output)")
                #expect(processes(holding: "\(scene.folder.path)/lian-build").isEmpty)
            }
        }

        @Test func noResultIsNoSuccess() async throws {
            try await withScene { scene in
                try writeScript("exit 0", to: scene.folder.appending(path: "lian-build"))
                var environment = scene.jobEnvironment()
                environment["PATH"] = "\(scene.folder.path):\(environment["PATH"] ?? "")"
                let job = try await scene.job([Recipe.lianCI.path], in: scene.folder, environment: environment)
                #expect(job.status == 70 && job.errors.contains("left no result"), "\(job.story)")
            }
        }
    }
}
