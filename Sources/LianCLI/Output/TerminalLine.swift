import LianModel

/// One line for a terminal: pieces of text, each in its style.
struct TerminalLine: Sendable {
    enum Style: Sendable {
        case plain, bold, faint, good, bad, warning, accent
    }

    private var pieces: [(text: String, style: Style)] = []
    /// Whether it may take several rows, broken between words; else it is cut at the terminal's edge.
    let wraps: Bool
    /// By how many cells its further rows are indented.
    private let hanging: Int

    /// Nobody reads longer ones, and each frame would pay for them.
    private static let limit = 10_000

    init(_ text: String = "", _ style: Style = .plain, wraps: Bool = false, hanging: Int = 0) {
        self.wraps = wraps
        self.hanging = hanging
        add(text, style)
    }

    mutating func add(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { pieces.append((text, style)) }
    }

    func adding(_ text: String, _ style: Style = .plain) -> TerminalLine {
        var line = self
        line.add(text, style)
        return line
    }

    func adding(_ other: TerminalLine) -> TerminalLine {
        var line = self
        line.pieces += other.pieces
        return line
    }

    private struct Cell {
        var scalar: Unicode.Scalar
        var width: Int
        var style: Style
    }

    /// What to write, and how many cells it takes: `columns` at most, unless it wraps.
    func rendered(columns: Int, _ look: TerminalLook) -> (text: String, cells: Int) {
        let limit = wraps ? Self.limit : min(columns, Self.limit) + 1
        var row = pieces.flatMap { piece in
            onOneLine(piece.text, limit: limit).unicodeScalars.compactMap { scalar -> Cell? in
                // Some terminals take this selector to widen the character before it, and others do not.
                if scalar == "\u{FE0F}" { return nil }
                let shown = look.hasUnicode || scalar.isASCII ? scalar : "?"
                return Cell(scalar: shown, width: cellWidth(shown), style: piece.style)
            }
        }
        var cells = row.reduce(0) { $0 + $1.width }
        if wraps {
            breakBetweenWords(&row, columns: columns)
        } else if cells > columns {
            while cells >= columns, let last = row.popLast() { cells -= last.width }
            if columns > 0 {
                row.append(Cell(scalar: look.more, width: 1, style: row.last?.style ?? .plain))
                cells += 1
            }
        }
        var text = ""
        var current = ""
        for cell in row {
            let code = look.hasColors ? look.code(cell.style) : ""
            if code != current {
                text += (current.isEmpty ? "" : "\u{1B}[0m") + code
                current = code
            }
            text.unicodeScalars.append(cell.scalar)
        }
        return (text + (current.isEmpty ? "" : "\u{1B}[0m"), cells)
    }

    /// A word that is wider than a row is left for the terminal to break, so that it can be copied whole.
    private func breakBetweenWords(_ row: inout [Cell], columns: Int) {
        var broken: [Cell] = []
        var cells = 0
        var rest = row[...]
        while !rest.isEmpty {
            let spaces = rest.prefix { $0.scalar == " " }
            let word = rest[spaces.endIndex...].prefix { $0.scalar != " " }
            let width = word.reduce(0) { $0 + $1.width }
            if cells + spaces.count + width > columns, cells > hanging {
                broken += "\r\n".unicodeScalars.map { Cell(scalar: $0, width: 0, style: .plain) }
                broken += Array(repeating: Cell(scalar: " ", width: 1, style: .plain), count: hanging)
                cells = hanging
            } else {
                broken += spaces
                cells += spaces.count
            }
            broken += word
            cells += width
            rest = rest[word.endIndex...]
        }
        row = broken
    }
}

/// How many cells of a terminal a character takes.
func cellWidth(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    return wideBlocks.contains { $0.contains(scalar.value) } ? 2 : 1
}

/// Where Unicode's East Asian Width is wide, in whole blocks.
private let wideBlocks: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
    0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF,
    0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
]

/// A line that a step printed, as a terminal would show it in the end: what was overwritten after a carriage return and
/// the sequences that colour it are gone.
func asLastShown(_ line: String) -> String {
    let trimmed = line.unicodeScalars.reversed().drop { $0 == "\r" }
    let last = trimmed.prefix { $0 != "\r" }.reversed()
    var shown = String.UnicodeScalarView()
    var rest = Array(last)[...]
    while let scalar = rest.popFirst() {
        guard scalar == "\u{1B}" else {
            shown.append(scalar)
            continue
        }
        guard rest.popFirst() == "[" else { continue }
        while let inner = rest.popFirst(), !(0x40...0x7E).contains(inner.value) {}
    }
    return String(shown)
}
