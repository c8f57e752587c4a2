/// The text as one word of a POSIX shell, for scripts and for commands that are shown to a person.
package func shellQuoted(_ text: String) -> String {
    // By scalars: a quote with an accent is still a quote to the shell, but it is another Character to Swift.
    let pieces = text.unicodeScalars.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + pieces.map { String($0) }.joined(separator: #"'\''"#) + "'"
}
