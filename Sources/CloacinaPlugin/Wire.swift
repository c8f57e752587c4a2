/// bincode 1 as the engine speaks it: fixed widths, little endian, a length of eight bytes before strings and lists.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ value: Bool) { bytes.append(value ? 1 : 0) }

    mutating func append<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: String) {
        append(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append(_ text: String?) {
        append(text != nil)
        if let text { append(text) }
    }

    mutating func append(_ texts: [String]) { append(texts) { $0.append($1) } }

    mutating func append<Element>(_ elements: [Element], _ each: (inout WireWriter, Element) -> Void) {
        append(UInt64(elements.count))
        for element in elements { each(&self, element) }
    }
}

package struct WireReader {
    /// The input ends early, or is no text where text is expected.
    package struct Failure: Error {
        package init() {}
    }

    private var rest: UnsafeRawBufferPointer.SubSequence

    package init(_ input: UnsafeRawBufferPointer) { rest = input[...] }

    package mutating func text() throws(Failure) -> String {
        let bytes = try take(Int(exactly: try number(as: UInt64.self)) ?? .max)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure() }
        return text
    }

    package mutating func number<Number: FixedWidthInteger>(as type: Number.Type) throws(Failure) -> Number {
        let bytes = try take(MemoryLayout<Number>.size)
        return bytes.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    private mutating func take(_ count: Int) throws(Failure) -> UnsafeRawBufferPointer.SubSequence {
        guard count <= rest.count else { throw Failure() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
