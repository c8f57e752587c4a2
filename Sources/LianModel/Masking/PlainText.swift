/// Another system's words, made fit to be shown: one line, no control characters, no escape sequences, not endless,
/// and without the secrets that it may repeat.
package func onOneLine(_ text: String, hiding mask: SecretMask = .none, limit: Int = 300) -> String {
    var shown = ""
    var count = 0
    for scalar in mask.masked(text).unicodeScalars {
        guard count < limit else { return shown + "…" }
        shown.unicodeScalars.append(isControl(scalar) ? " " : scalar)
        count += 1
    }
    return shown
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    // Most of it is ASCII, and that is quickly told.
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
    let category = scalar.properties.generalCategory
    return category == .control || category == .format
}
