/// Text from another system, made fit to be shown: on one line, without control characters and escape sequences,
/// limited in length, and without the secrets that it may repeat.
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
    // Most text is ASCII, which is quick to check.
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
    let category = scalar.properties.generalCategory
    return category == .control || category == .format
}
