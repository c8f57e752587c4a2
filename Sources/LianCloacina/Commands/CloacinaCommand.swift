/// One command, with all that was asked of it. What it finds and makes goes into the report, also where it fails.
package protocol CloacinaCommand: Sendable {
    func run(_ report: inout CloacinaReport) async throws(CloacinaError)
}
