/// The small alphabets that names are made of.
package enum Identifier {
    package static let slugRule = "must be words of a-z and 0-9 joined by single '-', 63 characters at most"

    /// `[a-z0-9]+(-[a-z0-9]+)*`, 63 at most.
    package static func isSlug(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && isWords(text)
    }

    /// Whether a slug may begin with the text.
    package static func beginsSlug(_ text: String) -> Bool { isSlug(text + "x") }

    /// `[a-z0-9]+(-[a-z0-9]+)*`, however long.
    static func isWords(_ text: some StringProtocol) -> Bool {
        text.split(separator: "-", omittingEmptySubsequences: false).allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { isLowercase($0) || isDigit($0) }
        }
    }

    /// `[A-Za-z0-9_-]{1,64}`: the ids of builds and runners.
    package static func isID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    }

    package static func isLowercase(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    package static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    /// Of either case.
    package static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
    package static func isLowercaseHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
    package static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowercase(byte | 0x20) || isDigit(byte)
    }
    /// Of ASCII, and no space.
    package static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }
}
