/// By what a machine, and all that belongs to it, is known as a runner's: it carries both from the request on that makes
/// it. Names are never asked.
struct Marks: Equatable, Sendable {
    /// The id of the orchestrator, made once and kept in its store.
    let orchestrator: String
    let runner: String
}
