import LianSystem

/// One command, with all that was asked of it. What it finds and makes goes into the report, also where it fails.
package protocol CloacinaCommand: Sendable {
    func run(_ report: inout CloacinaReport) async throws(CloacinaError)
}

/// Work that computes and blocks: on a thread of its own, never on the pool's.
package func computing(
    _ report: inout CloacinaReport, _ body: @escaping @Sendable (inout CloacinaReport) throws(CloacinaError) -> Void
) async throws(CloacinaError) {
    let before = report
    let outcome = await onOwnThread {
        var report = before
        var failure: CloacinaError?
        do throws(CloacinaError) { try body(&report) } catch { failure = error }
        return (report: report, failure: failure)
    }
    report = outcome.report
    if let failure = outcome.failure { throw failure }
}
