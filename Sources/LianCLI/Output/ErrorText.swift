import LianModel

/// An error for a person: what is wrong, where in the Dockerfile, the log's last words on it, and what to do next.
/// Names of files may be in it, and those may hold anything: nothing of it moves a terminal's cursor.
func errorLines(_ error: LianError) -> [String] {
    var lines = ["error[\(error.code.rawValue)]: \(error.message)"]
    if let place = error.place {
        let name = place.file.split(separator: "/").last ?? ""
        lines.append("  \(name):\(place.line)\(place.text.map { " | \($0)" } ?? "")")
    }
    lines += error.logTail.map { "  | \($0)" }
    lines.append("hint: \(error.advice)")
    return lines.map { onOneLine($0, limit: 10_000) }
}
