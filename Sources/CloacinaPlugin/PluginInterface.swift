/// The interface that an engine asks a plugin for.
package enum PluginInterface {
    package static let name = "CloacinaPlugin"
    /// FNV-1a over the names and types of the first four methods, as rustc prints them.
    package static let hash: UInt64 = 0x5294_867f_0800_277b
    package static let version: UInt32 = 7
    /// 0.5.0. An engine refuses any other.
    package static let abiVersion: UInt32 = 500
    package static let registryFunction = "fidius_get_registry"

    /// By the number under which the engine calls them.
    package static let methods = [
        "get_task_metadata", "execute_task", "get_graph_metadata", "execute_graph", "get_reactor_metadata",
        "get_trigger_metadata", "invoke_trigger_poll", "get_triggerless_graph_metadata", "invoke_triggerless_graph",
        "get_input_interface", "get_constructor_metadata",
    ]
    /// From here on a plugin may leave them out; for each that it has, it sets a bit.
    package static let firstOptionalMethod = 4
}
