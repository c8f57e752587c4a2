import LianModel

/// By what a machine, and all that belongs to it, is known as a runner's: it carries both from the request on that makes
/// it. Names are never asked.
struct Marks: Equatable, Sendable {
    /// The id of the orchestrator, made once and kept in its store.
    let orchestrator: String
    let runner: String

    /// The runners of that orchestrator, by id.
    static func runners(of orchestrator: String, in marks: [Marks]) -> [String] {
        Set(marks.filter { $0.orchestrator == orchestrator }.map(\.runner)).filter(Identifier.isID).sorted()
    }
}
