/// What stands in a line of /proc/PID/stat behind the program's name: its state first, which is the third field of all.
package func fieldsBehindName(ofStatLine line: String) -> [Substring] {
    // The name stands in brackets and may contain anything, brackets too.
    guard let close = line.lastIndex(of: ")") else { return [] }
    return line[line.index(after: close)...].split(whereSeparator: \.isWhitespace)
}
