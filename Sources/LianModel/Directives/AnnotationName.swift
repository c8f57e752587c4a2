/// An annotation's name as buildx takes it: the key, after the parts of an image that bear it where that is not the
/// manifest alone: `index,manifest:org.opencontainers.image.title`, `manifest[linux/amd64]:KEY`.
package struct AnnotationName: Equatable, Sendable {
    /// Empty where nothing is said.
    package let bearers: [String]
    package let key: String

    private static let kinds = ["manifest", "index", "manifest-descriptor", "index-descriptor"]
    /// The kinds of which an image of several platforms has one for each.
    private static let platformKinds = ["manifest", "manifest-descriptor"]

    package init?(_ text: String) {
        var key = Substring(text)
        var bearers: [String] = []
        if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            bearers = text[..<colon].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            key = text[colon...].dropFirst()
        }
        guard bearers.allSatisfy(Self.isBearer), TextRule.labelName.holds(String(key)) else { return nil }
        self.bearers = bearers
        self.key = String(key)
    }

    private static func isBearer(_ text: String) -> Bool {
        if kinds.contains(text) { return true }
        return platformKinds.contains { kind in
            guard text.utf8.starts(with: "\(kind)[".utf8), text.utf8.last == UInt8(ascii: "]") else { return false }
            let platform = text.utf8.dropFirst(kind.utf8.count + 1).dropLast()
            return TextRule.platform.holds(String(decoding: platform, as: UTF8.self))
        }
    }
}
