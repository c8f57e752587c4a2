/// A task of the workflow. What it writes into the context, the tasks after it find there. A task that throws has
/// failed, with the error as its reason. The engine calls from any thread, and several tasks at once.
public struct PackageTask: PackagePart {
    let id: String
    let after: [String]
    let description: String
    let source: String?
    let run: @Sendable (inout PackageContext) throws -> Void

    /// `after` names the tasks that must have succeeded before; `source` tells where this one is written, in place of
    /// the package's name.
    public init(
        _ id: String, after: [String] = [], description: String = "", source: String? = nil,
        run: @escaping @Sendable (inout PackageContext) throws -> Void
    ) {
        self.id = id
        self.after = after
        self.description = description
        self.source = source
        self.run = run
    }
}
