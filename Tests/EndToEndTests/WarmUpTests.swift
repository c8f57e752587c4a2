import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

/// The engine fetches what builds start from while their context is held back on its way: what builds with every
/// engine do with it.
struct WarmUpCases {
    /// Holds every context back until it is opened: the caller's rsync learns of no file before.
    private struct Gate {
        let environment: [String: String]
        private let path: String

        init(_ scene: Scene) throws {
            let folder = scene.folder.appending(path: "gate")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            path = folder.appending(path: "fifo").path
            try #require(mkfifo(path, 0o600) == 0)
            let rsync = folder.appending(path: "rsync")
            try "#!/bin/sh\n{ cat '\(path)'; exec cat; } | exec /usr/bin/rsync \"$@\"\n"
                .write(to: rsync, atomically: true, encoding: .utf8)
            try #require(chmod(rsync.path, 0o700) == 0)
            environment = ["PATH": "\(folder.path):\(scene.environment()["PATH"] ?? "")"]
        }

        func open() throws {
            let descriptor = Glibc.open(path, O_WRONLY | O_NONBLOCK)
            try #require(descriptor >= 0, "nothing waits at the gate")
            close(descriptor)
        }
    }

    /// An image of three layers in a registry, and how often each of its blobs was asked for.
    private struct Base {
        let registry: Registry
        let repository: String
        let blobs: [String]

        /// Pushed by a build of its own.
        init(_ scene: Scene, in registry: Registry, environment: [String: String] = [:]) async throws {
            let context = try scene.context(
                "FROM scratch\nCOPY busybox /bin/busybox\nCOPY one /one\nCOPY two /two\n",
                files: ["one": "1", "two": "2"], named: "base")
            self.registry = registry
            repository = "\(scene.workspace)/base"
            let build = try await scene.build(
                [
                    "--workspace", scene.workspace, "--context", context, "--image",
                    "\(registry.host)/\(repository):1",
                ], environment: environment)
            try #require(build.status == 0, "\(build.story)")
            let manifest = try await registry.manifest(of: repository, tag: "1")
            let layers = manifest["layers"]?.arrayValue?.compactMap { $0["digest"]?.stringValue } ?? []
            try #require(layers.count == 3)
            blobs = layers + [try #require(manifest["config"]?["digest"]?.stringValue)]
        }

        /// From the registry that listens at this port.
        func dockerfile(port: Int? = nil) -> String {
            "FROM 127.0.0.1:\(port ?? registry.port)/\(repository):1\nCOPY note /note\n"
        }

        func counts() throws -> [Int] {
            let requests = try registry.requests()
            return blobs.map { blob in requests.count { $0 == "GET /v2/\(repository)/blobs/\(blob)" } }
        }
    }

    /// Builds, and opens the gate when every layer was asked for; none is asked for again.
    private func buildBehindGate(
        _ scene: Scene, _ base: Base, port: Int? = nil, environment: [String: String] = [:]
    ) async throws {
        let gate = try Gate(scene)
        let before = try base.counts()
        let context = try scene.context(base.dockerfile(port: port), files: ["note": "n"])
        let running = try scene.start(
            scene.flags(context), environment: gate.environment.merging(environment) { $1 })
        let isFetched = try await eventually {
            try zip(base.counts(), before).allSatisfy { $0 == $1 + 1 } || !running.isRunning
        }
        try #require(isFetched && running.isRunning, "\(running.errorText)")
        try gate.open()
        let build = try await running.finished()
        try #require(build.status == 0, "\(build.story)")
        #expect(try zip(base.counts(), before).allSatisfy { $0 == $1 + 1 })
        let configuration = try await scene.registry.configuration(of: "\(scene.workspace)/app", tag: "1")
        #expect(configuration["rootfs"]?["diff_ids"]?.arrayValue?.count == 4)
        // What the build says is what it says without: nothing came from a cache. Where it shares the step FROM with the
        // warm-up, that one may have named it, and so it has no count.
        let steps = build.artifact["steps"]
        #expect(steps?["cached"] == 0 && [1, 2].contains(steps?["total"]), "\(build.story)")
        expectNoWarnings(build)
    }

    /// Builds with a context that stays on its way until the warm-up was seen.
    private func build(
        _ scene: Scene, _ flags: [String], after isSeen: () throws -> Bool
    ) async throws -> FinishedBuild {
        let gate = try Gate(scene)
        let running = try scene.start(flags, environment: gate.environment)
        let hasBegun = try await eventually { try isSeen() || !running.isRunning }
        try #require(hasBegun && running.isRunning, "\(running.errorText)")
        try gate.open()
        return try await running.finished()
    }

    func theBaseComesBesideTheContext() async throws {
        try await withScene { scene in
            let base = try await Base(scene, in: scene.registry)
            let proxy = try FaultProxy(to: scene.registry.port)
            proxy.setLatency(.milliseconds(100))
            try await buildBehindGate(scene, base, port: proxy.port)
        }
    }

    func theCallersLoginIsUsed() async throws {
        let user = Registry.User()
        try await withRegistry(for: user) { registry in
            try await withScene { scene in
                let config = try CredentialCases().dockerConfig(scene, registry, password: user.password)
                let environment = ["DOCKER_CONFIG": config]
                let base = try await Base(scene, in: registry, environment: environment)
                try await buildBehindGate(scene, base, environment: environment)
            }
        }
    }

    /// The build itself asks anew what a tag means.
    func aTagThatMovesMeanwhileIsFollowed() async throws {
        try await withScene { scene in
            let base = try await Base(scene, in: scene.registry)
            let gate = try Gate(scene)
            let context = try scene.context(base.dockerfile(), files: ["note": "n"])
            let running = try scene.start(scene.flags(context), environment: gate.environment)
            let isFetched = try await eventually { try !base.counts().contains(0) }
            try #require(isFetched, "\(running.errorText)")
            let other = try scene.context("FROM scratch\nCOPY busybox /only\n", named: "other")
            let moved = try await scene.build(context: other, image: "base")
            try #require(moved.status == 0, "\(moved.story)")
            try gate.open()
            let build = try await running.finished()
            try #require(build.status == 0, "\(build.story)")
            let configuration = try await scene.registry.configuration(of: "\(scene.workspace)/app", tag: "1")
            #expect(configuration["rootfs"]?["diff_ids"]?.arrayValue?.count == 2)
        }
    }

    func aMissingImageIsTheBuildsToTell() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM \(scene.image("none"))\nCOPY busybox /\n")
            try expectNoImage(
                try await build(scene, scene.flags(context)) {
                    try scene.registry.requests().contains { $0.contains("/none/manifests/") }
                })
        }
    }

    private func expectNoWarnings(_ build: FinishedBuild) {
        #expect(build.warningCodes.isEmpty, "\(build.story)")
    }

    private func expectNoImage(_ build: FinishedBuild) throws {
        #expect(build.status == 1 && build.errorCode == "build_failed" && build.phase == "build", "\(build.story)")
        #expect(build.attempts.count == 1)
        expectNoWarnings(build)
        #expect(!build.story.contains("warm-up"), "\(build.story)")
    }

    /// Nobody waits for it: the one artifact that would have is skipped.
    func aRegistryThatHangsHoldsNobody() async throws {
        try await withScene { scene in
            let proxy = try FaultProxy(to: scene.registry.port)
            proxy.stall()
            _ = try scene.context("FROM scratch\nCOPY no-such-file /\n", named: "one")
            _ = try scene.context("FROM 127.0.0.1:\(proxy.port)/a/b:1\nCOPY busybox /\n", named: "two")
            let registry = scene.registry.host
            let directives = try scene.directives([
                "schema_version": "1", "workspace": .string(scene.workspace),
                "artifacts": [
                    ["name": "one", "context": "one", "image": .string(scene.image("one"))],
                    [
                        "name": "two", "context": "two", "image": .string(scene.image("two")), "depends_on": ["one"],
                    ],
                ],
                "compute": ["provider": "local"], "registry": ["provider": "generic", "endpoint": .string(registry)],
            ])
            let build = try await build(scene, ["--directives", directives]) { proxy.connections > 0 }
            #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
            #expect(build.artifacts.map { $0["status"] } == ["failed", "skipped"])
            #expect(build.isRunnerDestroyed == true)
        }
    }

    /// That nothing is left is seen by the scene.
    func aCancelEndsItToo() async throws {
        try await withScene { scene in
            let proxy = try FaultProxy(to: scene.registry.port)
            proxy.stall()
            let gate = try Gate(scene)
            let context = try scene.context("FROM 127.0.0.1:\(proxy.port)/a/b:1\nCOPY busybox /\n")
            let running = try scene.start(scene.flags(context), environment: gate.environment)
            try #require(await eventually { proxy.connections > 0 }, "\(running.errorText)")
            running.signal(SIGINT)
            let build = try await running.finished()
            #expect(build.status == 130 && build.errorCode == "cancelled" && build.phase == "sync", "\(build.story)")
            #expect(build.isRunnerDestroyed == true)
        }
    }

    /// What engines keep of it is the connection: the build opens no other.
    func theConnectionToTheCacheIsOpen() async throws {
        try await withScene { scene in
            let proxy = try FaultProxy(to: scene.registry.port)
            let gate = try Gate(scene)
            let cache = "\(scene.workspace)/cache"
            let context = try scene.context("FROM scratch\nCOPY busybox /\n")
            let running = try scene.start(
                scene.flags(context) + ["--cache-from", "127.0.0.1:\(proxy.port)/\(cache):c"],
                environment: gate.environment)
            func asked() throws -> Int {
                try scene.registry.requests().count { $0 == "HEAD /v2/\(cache)/manifests/c" }
            }
            let isRead = try await eventually { try asked() > 0 || !running.isRunning }
            try #require(isRead && running.isRunning, "\(running.errorText)")
            let (connections, before) = (proxy.connections, try asked())
            try gate.open()
            let build = try await running.finished()
            try #require(build.status == 0, "\(build.story)")
            #expect(try asked() > before)
            #expect(proxy.connections == connections)
        }
    }
}

extension EndToEnd {
    @Suite struct WarmUpTests {
        private let cases = WarmUpCases()

        @Test func theBaseComesBesideTheContext() async throws { try await cases.theBaseComesBesideTheContext() }
        @Test func theCallersLoginIsUsed() async throws { try await cases.theCallersLoginIsUsed() }
        @Test func aTagThatMovesMeanwhileIsFollowed() async throws {
            try await cases.aTagThatMovesMeanwhileIsFollowed()
        }
        @Test func aMissingImageIsTheBuildsToTell() async throws { try await cases.aMissingImageIsTheBuildsToTell() }
        @Test func aRegistryThatHangsHoldsNobody() async throws { try await cases.aRegistryThatHangsHoldsNobody() }
        @Test func aCancelEndsItToo() async throws { try await cases.aCancelEndsItToo() }
        @Test func theConnectionToTheCacheIsOpen() async throws { try await cases.theConnectionToTheCacheIsOpen() }
    }
}
