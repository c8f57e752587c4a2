/// Where something stands in a text, for people: both count from 1 on, and columns are characters.
package struct TextPlace: Equatable, Sendable {
    package let line: Int
    package let column: Int

    package init(of offset: Int, in bytes: [UInt8]) {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        self.line = line
        self.column = column
    }
}
