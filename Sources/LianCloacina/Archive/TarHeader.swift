/// Members of a tar as GNU's writes them, with nothing in them of the machine or of the person.
package enum TarHeader {
    package enum Kind: UInt8, Sendable {
        case file = 0x30
        case folder = 0x35
        /// What follows is the name of the next member, too long for its own header.
        case longName = 0x4C
    }

    package static let blockSize = 512

    /// What stands before a member's bytes.
    package static func member(
        _ path: String, _ kind: Kind = .file, size: Int, isExecutable: Bool = false, modified: Int
    ) -> [UInt8] {
        let name = Array(path.utf8)
        let mode = isExecutable || kind == .folder ? 0o755 : 0o644
        let header = block(name.prefix(nameLength), kind, mode: mode, size: size, modified: modified)
        guard name.count > nameLength else { return header }
        let whole = name + [0]
        return block(Array("././@LongLink".utf8)[...], .longName, mode: 0o644, size: whole.count, modified: 0)
            + whole + padding(after: whole.count) + header
    }

    /// From a member's bytes to the next header.
    package static func padding(after size: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: (blockSize - size % blockSize) % blockSize)
    }

    package static let end = [UInt8](repeating: 0, count: 2 * blockSize)

    private static let nameLength = 100

    private static func block(
        _ name: ArraySlice<UInt8>, _ kind: Kind, mode: Int, size: Int, modified: Int
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockSize)
        func set(_ offset: Int, _ bytes: some Collection<UInt8>) {
            block.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        set(0, name)
        set(100, octal(mode, digits: 7))
        set(108, octal(0, digits: 7))
        set(116, octal(0, digits: 7))
        set(124, octal(size, digits: 11))
        set(136, octal(modified, digits: 11))
        set(148, [UInt8](repeating: 0x20, count: 8))
        block[156] = kind.rawValue
        set(257, Array("ustar  ".utf8))
        set(148, octal(block.reduce(0) { $0 + Int($1) }, digits: 6) + [0, 0x20])
        return block
    }

    private static func octal(_ number: Int, digits: Int) -> [UInt8] {
        let text = Array(String(number, radix: 8).utf8)
        return [UInt8](repeating: UInt8(ascii: "0"), count: max(0, digits - text.count)) + text.suffix(digits)
    }
}
