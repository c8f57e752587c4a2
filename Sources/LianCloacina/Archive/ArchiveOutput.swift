import LianModel
import LianSystem

/// An archive's file while it is made: it takes its place when hosts would accept it, and not before.
struct ArchiveOutput {
    /// As the caller has it.
    let name: String
    let place: String
    let allowsOverLimits: Bool

    /// Writes a draft, holds it against the limits of hosts, and puts it in its place. `check` gets the draft's path and
    /// how many bytes it has.
    func write(
        _ report: inout CloacinaReport, _ stop: StopRequest,
        by write: (FileDraft) throws(CloacinaError) -> Void,
        checking check: (String, Int) throws(CloacinaError) -> Void
    ) throws(CloacinaError) -> (bytes: Int, sha256: [UInt8]) {
        let draft: FileDraft
        do throws(SystemError) { draft = try FileDraft(of: place, mode: 0o644) } catch {
            throw .unwritable(name, error)
        }
        try write(draft)
        let whole = try hashFile(draft.draftPath, stop)
        do throws(CloacinaError) {
            try check(draft.draftPath, whole.bytes)
        } catch {
            guard [.archiveTooLarge, .archiveTooManyEntries].contains(error.code) else { throw error }
            guard allowsOverLimits else {
                throw CloacinaError(
                    .archiveOverLimit, .archive, "hosts would refuse this archive: \(error.message)",
                    hint: "Leave out what it does not need; 'package pack --allow-over-limits' writes one all the same."
                )
            }
            report.warn(.archiveOverLimit, "hosts will refuse this archive: \(error.message)")
        }
        try stop.check()
        do throws(SystemError) { try draft.commit() } catch { throw .unwritable(name, error) }
        return whole
    }
}

/// The time that members of an archive get, where the caller wants one.
package func sourceDate(_ environment: [String: String]) throws(CloacinaError) -> Int? {
    guard let text = environment["SOURCE_DATE_EPOCH"], !text.isEmpty else { return nil }
    guard let seconds = OutsideNumber.whole(text, in: 0...0o77777777777) else {
        throw CloacinaError(
            .invalidArgument, .arguments, "SOURCE_DATE_EPOCH is '\(onOneLine(text, limit: 40))'",
            hint: "It is a whole number of seconds since 1970.")
    }
    return seconds
}
