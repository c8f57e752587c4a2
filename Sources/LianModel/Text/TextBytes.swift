/// A text that counts by its bytes, as a path does: for `String` itself, two spellings of one letter are equal.
package struct TextBytes: Hashable, Sendable {
    private let bytes: [UInt8]

    package init(_ text: String) {
        bytes = Array(text.utf8)
    }
}
