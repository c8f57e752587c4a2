/// What Go's standard library does to the bytes of a pattern, because Docker reads ignore files with it.
enum GoText {
    static let slash = UInt8(ascii: "/")
    static let replacement: UInt32 = 0xFFFD

    /// The character at `index` and its width; a byte that is no part of valid UTF-8 is U+FFFD of width one.
    @inline(__always)
    static func decode(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (scalar: UInt32, width: Int) {
        let first = bytes[index]
        if first < 0x80 { return (UInt32(first), 1) }
        return decodeMultibyte(bytes, at: index)
    }

    private static func decodeMultibyte(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (scalar: UInt32, width: Int) {
        let first = bytes[index]
        let width: Int
        var scalar: UInt32
        let smallest: UInt32
        switch first {
        case 0xC2...0xDF: (width, scalar, smallest) = (2, UInt32(first & 0x1F), 0x80)
        case 0xE0...0xEF: (width, scalar, smallest) = (3, UInt32(first & 0x0F), 0x800)
        case 0xF0...0xF4: (width, scalar, smallest) = (4, UInt32(first & 0x07), 0x10000)
        default: return (replacement, 1)
        }
        guard index + width <= bytes.count else { return (replacement, 1) }
        for offset in 1..<width {
            let byte = bytes[index + offset]
            guard byte & 0xC0 == 0x80 else { return (replacement, 1) }
            scalar = scalar << 6 | UInt32(byte & 0x3F)
        }
        let isSurrogate = 0xD800...0xDFFF ~= scalar
        guard scalar >= smallest, scalar <= 0x10FFFF, !isSurrogate else { return (replacement, 1) }
        return (scalar, width)
    }

    static func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var index = 0
        while index < bytes.count {
            let (scalar, width) = decode(bytes, at: index)
            if scalar == replacement, width == 1 { return false }
            index += width
        }
        return true
    }

    static func scalars(of bytes: [UInt8]) -> [UInt32] {
        bytes.withUnsafeBufferPointer { buffer in
            var scalars: [UInt32] = []
            scalars.reserveCapacity(buffer.count)
            var index = 0
            while index < buffer.count {
                let (scalar, width) = decode(buffer, at: index)
                scalars.append(scalar)
                index += width
            }
            return scalars
        }
    }

    static func bytes(of scalars: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(scalars.count)
        for scalar in scalars {
            switch scalar {
            case 0..<0x80: bytes.append(UInt8(scalar))
            case 0x80..<0x800:
                bytes += [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 0x3F)]
            case 0x800..<0x10000:
                bytes += [
                    UInt8(0xE0 | scalar >> 12), UInt8(0x80 | scalar >> 6 & 0x3F), UInt8(0x80 | scalar & 0x3F),
                ]
            default:
                bytes += [
                    UInt8(0xF0 | scalar >> 18 & 0x07), UInt8(0x80 | scalar >> 12 & 0x3F),
                    UInt8(0x80 | scalar >> 6 & 0x3F), UInt8(0x80 | scalar & 0x3F),
                ]
            }
        }
        return bytes
    }

    /// `strings.TrimSpace`: Unicode's white space at both ends.
    static func trimSpace(_ scalars: ArraySlice<UInt32>) -> ArraySlice<UInt32> {
        var trimmed = scalars
        while let first = trimmed.first, isSpace(first) { trimmed.removeFirst() }
        while let last = trimmed.last, isSpace(last) { trimmed.removeLast() }
        return trimmed
    }

    private static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// `filepath.Clean`: no empty and no `.` component, `..` taken with the component before it.
    static func cleanPath(_ path: ArraySlice<UInt32>) -> [UInt32] {
        let slash = UInt32(slash)
        let dot = UInt32(UInt8(ascii: "."))
        let isRooted = path.first == slash
        var kept: [ArraySlice<UInt32>] = []
        for component in path.split(separator: slash) where !component.elementsEqual([dot]) {
            guard component.elementsEqual([dot, dot]) else {
                kept.append(component)
                continue
            }
            if let last = kept.last, !last.elementsEqual([dot, dot]) {
                kept.removeLast()
            } else if !isRooted {
                kept.append(component)
            }
        }
        let joined = Array(kept.joined(separator: [slash]))
        if isRooted { return [slash] + joined }
        return joined.isEmpty ? [dot] : joined
    }
}
