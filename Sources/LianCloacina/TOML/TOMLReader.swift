import LianModel

/// Reads TOML 1.0, and takes and refuses what Python's tomllib does. Beyond that it refuses what is larger than 1 MiB,
/// nested deeper than 64 levels, or a whole number of more than 64 bits.
package func parseTOML(_ bytes: [UInt8]) throws(TOMLError) -> TOMLTable {
    guard bytes.count <= largestDocument else {
        throw TOMLError(message: "the file is larger than \(largestDocument) bytes", line: 1, column: 1)
    }
    var reader = TOMLReader(bytes)
    return try reader.document()
}

private let largestDocument = 1 << 20

struct TOMLReader {
    private static let deepestNest = 64
    static let newline = UInt8(ascii: "\n")

    let bytes: [UInt8]
    var position = 0
    private let root = TOMLNest(depth: 0)
    /// The table of the header above.
    private var section: TOMLNest
    /// The tables that dotted keys opened in this section.
    private var dotted: [TOMLNest] = []

    init(_ bytes: [UInt8]) {
        self.bytes = withPlainLineEnds(bytes)
        section = root
    }

    mutating func document() throws(TOMLError) -> TOMLTable {
        if let place = firstInvalidUTF8(bytes) { throw failure("the text is not valid UTF-8", at: place) }
        while true {
            skipSpace()
            switch peek() {
            case nil: return root.table
            case Self.newline, UInt8(ascii: "#"): break
            case UInt8(ascii: "["): try header()
            default: try keyAndValue()
            }
            skipSpace()
            try skipComment()
            if peek() == nil { return root.table }
            guard take(Self.newline) else { throw failure("something follows where the line should end") }
        }
    }

    private mutating func header() throws(TOMLError) {
        for nest in dotted { nest.isClosed = true }
        dotted = []
        let start = position
        position += 1
        let isArray = take(UInt8(ascii: "["))
        skipSpace()
        let path = try key()
        guard take(UInt8(ascii: "]")), !isArray || take(UInt8(ascii: "]")) else {
            throw failure("'\(isArray ? "]]" : "]")' is missing after the name of a table")
        }
        var nest = root
        for part in path.parents {
            guard let next = nest.opened(part) else {
                throw failure("a part of this table's name already has a value that is no table", at: start)
            }
            nest = try notTooDeep(next, at: start)
        }
        guard let opened = isArray ? nest.appended(path.last) : nest.declared(path.last) else {
            throw failure("this table is defined twice, or its name already has another value", at: start)
        }
        section = try notTooDeep(opened, at: start)
    }

    private mutating func keyAndValue() throws(TOMLError) {
        let start = position
        let path = try keyBeforeValue()
        var nest = section
        for part in path.parents {
            if case .tables = nest[part] { throw failure("dotted keys cannot add to an array of tables", at: start) }
            guard let next = nest.opened(part), !next.isClosed else {
                throw failure("a part of this key already has another value, or is a table with a header", at: start)
            }
            dotted.append(next)
            nest = try notTooDeep(next, at: start)
        }
        try add(path.last, to: nest, at: start)
    }

    /// What is between the braces of an inline table, which is a document of its own.
    private mutating func inlineTable(depth: Int) throws(TOMLError) -> TOMLValue {
        position += 1
        let table = try notTooDeep(TOMLNest(depth: depth), at: position)
        skipSpace()
        if take(UInt8(ascii: "}")) { return .table(table.table) }
        while true {
            skipSpace()
            let start = position
            let path = try keyBeforeValue()
            var nest = table
            for part in path.parents {
                guard let next = nest.opened(part) else {
                    throw failure("a part of this key already has a value", at: start)
                }
                nest = try notTooDeep(next, at: start)
            }
            try add(path.last, to: nest, at: start)
            skipSpace()
            if take(UInt8(ascii: "}")) { return .table(table.table) }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or '}' is missing in an inline table") }
        }
    }

    private mutating func array(depth: Int) throws(TOMLError) -> TOMLValue {
        guard depth <= Self.deepestNest else { throw tooDeep(at: position) }
        position += 1
        var items: [TOMLValue] = []
        while true {
            try skipSpaceLinesAndComments()
            if take(UInt8(ascii: "]")) { return .array(items) }
            items.append(try value(depth: depth))
            try skipSpaceLinesAndComments()
            if take(UInt8(ascii: "]")) { return .array(items) }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or ']' is missing in an array") }
        }
    }

    private mutating func add(_ key: String, to nest: TOMLNest, at start: Int) throws(TOMLError) {
        let value = try value(depth: nest.depth)
        guard nest[key] == nil else { throw failure("this key already has a value", at: start) }
        nest[key] = .value(value)
    }

    private mutating func value(depth: Int) throws(TOMLError) -> TOMLValue {
        switch peek() {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "{"): return try inlineTable(depth: depth + 1)
        case _ where take("true"): return .boolean(true)
        case _ where take("false"): return .boolean(false)
        default: break
        }
        if let value = try dateTime() { return value }
        if let value = try number() { return value }
        throw failure("no value starts here; a text needs quotes")
    }

    // MARK: Keys

    struct Key {
        var parents: [String] = []
        var last: String
    }

    private mutating func keyBeforeValue() throws(TOMLError) -> Key {
        let path = try key()
        guard take(UInt8(ascii: "=")) else { throw failure("'=' is missing after a key") }
        skipSpace()
        return path
    }

    /// Its parts, and the space behind.
    private mutating func key() throws(TOMLError) -> Key {
        var key = Key(last: try keyPart())
        skipSpace()
        while take(UInt8(ascii: ".")) {
            skipSpace()
            key.parents.append(key.last)
            key.last = try keyPart()
            skipSpace()
        }
        return key
    }

    private mutating func keyPart() throws(TOMLError) -> String {
        if peek() == UInt8(ascii: "\"") || peek() == UInt8(ascii: "'") { return try lineString() }
        let start = position
        while let byte = peek(), isBareKey(byte) { position += 1 }
        guard position > start else { throw failure("a key should stand here, of A-Z a-z 0-9 - _ or in quotes") }
        return text(start..<position)
    }

    // MARK: Space

    func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    mutating func take(_ word: String) -> Bool {
        guard bytes[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }

    mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 { position += 1 }
    }

    private mutating func skipComment() throws(TOMLError) {
        guard take(UInt8(ascii: "#")) else { return }
        while let byte = peek(), byte != Self.newline {
            guard !Self.isControl(byte) else { throw failure("a control character stands bare in a comment") }
            position += 1
        }
    }

    private mutating func skipSpaceLinesAndComments() throws(TOMLError) {
        repeat {
            skipSpace()
            try skipComment()
        } while take(Self.newline)
    }

    /// A tab is none: it may stand anywhere.
    static func isControl(_ byte: UInt8) -> Bool {
        byte < 0x20 && byte != 0x09 || byte == 0x7F
    }

    // MARK: Failures

    func failure(_ message: String, at place: Int? = nil) -> TOMLError {
        let place = TextPlace(of: place ?? position, in: bytes)
        return TOMLError(message: message, line: place.line, column: place.column)
    }

    private func tooDeep(at place: Int) -> TOMLError {
        failure("nested deeper than \(Self.deepestNest) levels", at: place)
    }

    private func notTooDeep(_ nest: TOMLNest, at place: Int) throws(TOMLError) -> TOMLNest {
        guard nest.depth <= Self.deepestNest else { throw tooDeep(at: place) }
        return nest
    }
}

private func isBareKey(_ byte: UInt8) -> Bool {
    Identifier.isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
}

/// TOML lets a reader take "\r\n" for "\n" everywhere, in texts too. tomllib does.
private func withPlainLineEnds(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(0x0D) else { return bytes }
    var plain: [UInt8] = []
    plain.reserveCapacity(bytes.count)
    for (index, byte) in bytes.enumerated() {
        let isDropped = byte == 0x0D && index + 1 < bytes.count && bytes[index + 1] == TOMLReader.newline
        if !isDropped { plain.append(byte) }
    }
    return plain
}

/// Where the bytes stop being UTF-8; nil where they are that to their end.
private func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var place = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { place += UTF8.width(scalar) }
    return place
}
