/// A workflow package: what the library that holds it tells the engine, and what the engine runs of it.
///
///     let package = CloacinaPackage(name: "swift-demo", workflow: "swift_demo") {
///         PackageTask("hello") { context in context["hello"] = "world" }
///     }
///     @_cdecl("fidius_get_registry") public func registry() -> UnsafeRawPointer { package.registry }
///
/// A library has one package: the linker refuses a second function of that name.
public struct CloacinaPackage: Sendable {
    let name: String
    let workflow: String
    let description: String?
    let author: String?
    let tasks: [PackageTask]
    let triggers: [PackageTrigger]

    public init(
        name: String, workflow: String, description: String? = nil, author: String? = nil,
        @PackageBuilder parts: () -> [any PackagePart]
    ) {
        self.name = name
        self.workflow = workflow
        self.description = description
        self.author = author
        let parts = parts()
        tasks = parts.compactMap { $0 as? PackageTask }
        triggers = parts.compactMap { $0 as? PackageTrigger }
    }

    /// What `fidius_get_registry` answers. It stays where it is for as long as the process runs.
    public var registry: UnsafeRawPointer { PluginRegistry.published(for: self).pointer }

    /// Why no engine may take this package; nil where nothing is wrong.
    var fault: String? {
        if let twice = firstRepeated(tasks.map(\.id)) { return "Two tasks are called '\(twice)'." }
        if let twice = firstRepeated(triggers.map(\.name)) { return "Two triggers are called '\(twice)'." }
        let ids = Set(tasks.map(\.id))
        for task in tasks {
            if let unknown = task.after.first(where: { !ids.contains($0) }) {
                return "Task '\(task.id)' comes after '\(unknown)', which is no task of this package."
            }
        }
        let waiting = tasksThatNeverStart
        if !waiting.isEmpty { return "These tasks wait for each other: \(waiting.joined(separator: ", "))." }
        if let trigger = triggers.first(where: { $0.pollMilliseconds == nil }) {
            return "Trigger '\(trigger.name)' needs an interval of at least a millisecond."
        }
        return nil
    }

    /// Those that are left when each task that waits for no other is taken away, again and again.
    private var tasksThatNeverStart: [String] {
        var left = tasks
        while true {
            let waiting = Set(left.map(\.id))
            let next = left.filter { task in task.after.contains { waiting.contains($0) } }
            if next.count == left.count { return left.map(\.id) }
            left = next
        }
    }
}

private func firstRepeated(_ names: [String]) -> String? {
    var seen: Set<String> = []
    return names.first { !seen.insert($0).inserted }
}

/// What stands in the braces of a package: `PackageTask` and `PackageTrigger`.
public protocol PackagePart: Sendable {}

@resultBuilder
public enum PackageBuilder {
    public static func buildExpression(_ part: any PackagePart) -> [any PackagePart] { [part] }
    public static func buildBlock(_ parts: [any PackagePart]...) -> [any PackagePart] { Array(parts.joined()) }
    public static func buildOptional(_ parts: [any PackagePart]?) -> [any PackagePart] { parts ?? [] }
    public static func buildEither(first parts: [any PackagePart]) -> [any PackagePart] { parts }
    public static func buildEither(second parts: [any PackagePart]) -> [any PackagePart] { parts }
    public static func buildArray(_ parts: [[any PackagePart]]) -> [any PackagePart] { Array(parts.joined()) }
}
