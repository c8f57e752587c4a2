/// Another system's words, made fit to be shown: one line, no control characters, no escape sequences, not endless.
package func onOneLine(_ text: String, limit: Int = 300) -> String {
    var shown = ""
    var count = 0
    for scalar in text.unicodeScalars {
        guard count < limit else { return shown + "…" }
        let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        shown.unicodeScalars.append(isControl ? " " : scalar)
        count += 1
    }
    return shown
}
