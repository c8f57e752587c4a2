/// The text as one word of a POSIX shell, for scripts and for command lines that a person is told.
package func shellQuoted(_ text: String) -> String {
    // By scalars: for the shell a quote with an accent upon it is a quote, and as a Character it is another one.
    let pieces = text.unicodeScalars.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + pieces.map { String($0) }.joined(separator: #"'\''"#) + "'"
}
