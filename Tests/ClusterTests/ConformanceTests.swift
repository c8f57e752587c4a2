import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The providers of this machine.
@Suite(.needsRoot) struct ConformanceTests {
    /// docs/providers.md's example of how one is written.
    @Test func theExample() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            let key = try #require(SSHPublicKey(line: caller.publicKey))
            let conformance = Conformance(caller: caller) { orchestrator in
                let own = folder.appending(path: orchestrator).path
                try makeFolder(own)
                return NamespaceProvider(orchestrator: orchestrator, folder: own)
            } order: {
                RunnerOrder(runnerID: $0, request: caller.order(), key: key)
            }
            try await conformance.check()
            #expect(processes(holding: folder.path).map(commandLine) == [])
        }
    }

    @Test func theExampleIsTheDocuments() throws {
        func text(_ path: String) throws -> String {
            try String(contentsOf: Project.root.appending(path: path), encoding: .utf8)
        }
        let source = try text("Tests/ClusterTests/NamespaceProvider.swift")
        let example = try #require(source.split(separator: "hold both to be the same.\n\n").last)
        #expect(try text("docs/providers.md").contains("```swift\n\(example)```\n"))
    }

    @Test func local() async throws {
        try await withShortTemporaryFolder { folder in
            // An engine that is never asked to build.
            for name in ["buildkitd", "buildctl", "runc"] {
                let script = name == "buildkitd" ? "[ \"$1\" != --version ] || exit 0; exec sleep 100000" : "exit 0"
                try writeScript(script, to: folder.appending(path: name))
            }
            var environment = ProcessInfo.processInfo.environment
            environment["PATH"] = "\(folder.path):\(environment["PATH"] ?? "")"
            let given = environment
            let caller = try await Caller(in: folder)
            let key = try #require(SSHPublicKey(line: caller.publicKey))
            try await Conformance(caller: caller, asksOthers: false) { orchestrator in
                let state = folder.appending(path: orchestrator).path
                try makeFolder(state)
                try makeFolder("\(state)/runners")
                return try await onOwnThread {
                    Result { () throws in
                        try LocalProvider(
                            state: state, engine: .buildkit, environment: given,
                            remover: LocalRemover(state: state, bootID: BootClock.currentBootID()),
                            engineStart: .seconds(120), log: EventLog(.text) { _ in })
                    }
                }.get()
            } order: {
                RunnerOrder(runnerID: $0, request: caller.order(), key: key)
            }.check()
        }
    }
}

// Those whose machines are the cluster's.

extension Clustered.Runners {
    @Suite struct ConformanceTests {
        @Test func lxd() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                let caller = try await Caller(in: folder)
                let key = try #require(SSHPublicKey(line: caller.publicKey))
                let config = try clusterConfig(["socket": .string(cluster.socket(of: "c1"))])
                try await Conformance(caller: caller) { orchestrator in
                    try await onOwnThread {
                        Result { () throws(ProviderError) in
                            try LXDProvider(name: "lxd", config, key: [], orchestrator: orchestrator)
                        }
                    }.get()
                } order: {
                    RunnerOrder(runnerID: $0, request: caller.order(memoryMB: 512), key: key)
                }.check()
            }
        }
    }
}

extension Clustered.HCloud {
    @Suite struct ConformanceTests {
        @Test func hcloud() async throws {
            try await withCloud { scene in
                let config = try cloudConfig(scene.cloud)
                let read = try #require(try ProviderConfig(JSONNode(.object(config))).hcloud)
                try await Conformance(caller: scene.caller) { orchestrator in
                    try await onOwnThread {
                        Result { () throws(ProviderError) in
                            try HCloudProvider(
                                name: "hcloud", read, token: Array(StandInCloud.token.utf8), orchestrator: orchestrator)
                        }
                    }.get()
                } order: {
                    try scene.order($0)
                }.check()
            }
        }
    }
}

extension Clustered.Proxmox {
    @Suite struct ConformanceTests {
        @Test func proxmox() async throws {
            try await withProxmox { scene in
                try await Conformance(caller: scene.caller, goesOnMaking: true) { orchestrator in
                    try await scene.reborn(as: orchestrator)
                } order: {
                    try scene.order($0)
                }.check()
            }
        }
    }
}
