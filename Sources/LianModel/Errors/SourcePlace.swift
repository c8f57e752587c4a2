/// A line of a file of the caller's, which an error is about.
package struct SourcePlace: Equatable, Sendable {
    /// Absolute.
    package var file: String
    package var line: Int
    /// What stands there; nil where that is not known.
    package var text: String?

    package init(file: String, line: Int, text: String?) {
        self.file = file
        self.line = line
        self.text = text
    }
}
