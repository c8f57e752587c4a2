import LianSystem

/// The version that an engine's program tells of itself; nil where it tells none.
func programVersion(_ program: String, environment: [String: String]) -> String? {
    let command = Command(program, ["--version"], environment: environment)
    guard let result = try? runBlocking(command, deadline: .seconds(10)), result.termination.isSuccess else {
        return nil
    }
    return versionIn(result.outputText)
}

/// `Docker version 20.10.24+dfsg1, build 297e128` → `20.10.24+dfsg1`; BuildKit's stands behind a `v`.
func versionIn(_ text: String) -> String? {
    for word in text.split(whereSeparator: \.isWhitespace) {
        let version = word.first == "v" ? word.dropFirst() : word
        if version.first?.isNumber == true { return String(version.prefix { $0 != "," }) }
    }
    return nil
}
