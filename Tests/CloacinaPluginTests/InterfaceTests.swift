import Testing

@testable import CloacinaPlugin

@Suite struct InterfaceTests {
    /// As the engine's own macro makes it: of the four methods that every plugin has, sorted, with their types as rustc
    /// prints them.
    @Test func theHashIsThatOfTheFirstFourMethods() {
        let methods = [
            "execute_graph:GraphExecutionRequest->Result < GraphExecutionResult, PluginError >",
            "execute_task:TaskExecutionRequest->Result < TaskExecutionResult, PluginError >",
            "get_graph_metadata:->Result < GraphPackageMetadata, PluginError >",
            "get_task_metadata:->Result < PackageTasksMetadata, PluginError >",
        ]
        #expect(Set(methods.map { $0.prefix { $0 != ":" } }.map(String.init)) == Set(PluginInterface.methods.prefix(4)))
        let hash = methods.joined(separator: "\n").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        #expect(hash == PluginInterface.hash)
    }
}
