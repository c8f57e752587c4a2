/// The images that a Dockerfile names outright in its FROM lines, to know which registries a build talks to. What a
/// build argument decides is not known before the build.
package func literalBaseImages(inDockerfile text: String) -> [String] {
    var stages: Set<String> = []
    var images: [String] = []
    for line in logicalLines(text) {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.first?.uppercased() == "FROM" else { continue }
        let rest = words.dropFirst().drop { $0.hasPrefix("--") }
        guard let image = rest.first.map(String.init) else { continue }
        if image != "scratch", !image.contains("$"), !stages.contains(image.lowercased()), !images.contains(image) {
            images.append(image)
        }
        let alias = rest.dropFirst()
        if alias.first?.uppercased() == "AS", let name = alias.dropFirst().first { stages.insert(name.lowercased()) }
    }
    return images
}

/// The registry that Docker would ask for an image: the first segment where it looks like a host, else Docker Hub.
package func registryHost(ofImage reference: String) -> String {
    let segments = reference.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard segments.count == 2, let host = segments.first else { return "docker.io" }
    return host.contains(".") || host.contains(":") || host == "localhost" ? String(host) : "docker.io"
}

/// Lines with their continuations joined; comments are gone, as Docker takes them out even inside a continued line.
private func logicalLines(_ text: String) -> [String] {
    var lines: [String] = []
    var pending = ""
    for line in text.split(whereSeparator: \.isNewline) {
        let trimmed = line.drop(while: \.isWhitespace)
        if trimmed.hasPrefix("#") { continue }
        if trimmed.last == "\\" {
            pending += trimmed.dropLast() + " "
            continue
        }
        lines.append(pending + trimmed)
        pending = ""
    }
    return pending.isEmpty ? lines : lines + [pending]
}
