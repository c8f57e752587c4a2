/// A line in one of the caller's files that an error is about.
package struct SourcePlace: Equatable, Sendable {
    /// Absolute.
    package var file: String
    package var line: Int
    /// The text of the line; nil where it is not known.
    package var text: String?

    package init(file: String, line: Int, text: String?) {
        self.file = file
        self.line = line
        self.text = text
    }
}
