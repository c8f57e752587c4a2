/// A terminal's screen as the sequences that we use leave it: what a person would see. It breaks lines at its edge,
/// scrolls, keeps what scrolled away, and breaks its lines anew where it is resized, as most terminals do.
package struct TerminalScreen: Sendable {
    package struct Cell: Equatable, Sendable {
        /// A character with what combines with it; empty for the second half of a wide one.
        package var text: String
        /// The parameter of SGR that colours it, and whether it is bold or faint.
        package var color: Int?
        package var isBold = false
        package var isFaint = false

        fileprivate static let blank = Cell(text: " ")
    }

    private struct Row {
        var cells: [Cell] = []
        /// The row before goes on in it.
        var continues = false
    }

    package private(set) var columns: Int
    package private(set) var height: Int
    /// From the oldest on; those from `top` on are on the screen.
    private var rows = [Row()]
    private var top = 0
    private var cursor = (row: 0, column: 0)
    package private(set) var isCursorVisible = true
    package private(set) var wrapsAtEdge = true
    /// Sequences that it does not know, which ours never print.
    package private(set) var unknown: [String] = []
    /// Frames that began and ended with the marks for it.
    package private(set) var frames = 0

    private var style = Cell.blank
    /// Of a sequence or a character of several bytes that has not ended.
    private var pending: [UInt8] = []

    package init(columns: Int, height: Int) {
        self.columns = columns
        self.height = height
    }

    /// What is on the screen, row by row, without the blanks at the ends.
    package var lines: [String] { rows[top...].map(Self.text) }
    /// The same with what scrolled away before.
    package var everything: [String] { rows.map(Self.text) }
    package var text: String { everything.joined(separator: "\n") }
    /// Of everything, row by row.
    package var cells: [[Cell]] { rows.map(\.cells) }
    /// From 0 on, on the screen.
    package var cursorPosition: (row: Int, column: Int) { (cursor.row - top, cursor.column) }

    private static func text(_ row: Row) -> String {
        var text = row.cells.map(\.text).joined()
        while text.last == " " { text.removeLast() }
        return text
    }

    // MARK: Bytes

    package mutating func feed(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { feed(byte) }
    }

    private mutating func feed(_ byte: UInt8) {
        if let first = pending.first {
            pending.append(byte)
            if first == 0x1B {
                takeEscape()
            } else if pending.count == Self.length(first) {
                put(String(decoding: pending, as: UTF8.self))
                pending = []
            }
            return
        }
        switch byte {
        case 0x1B, 0xC2...0xF4: pending = [byte]
        case UInt8(ascii: "\n"): lineFeed()
        case UInt8(ascii: "\r"): cursor.column = 0
        case 0x20..<0x7F: put(String(UnicodeScalar(byte)))
        default: unknown.append("byte \(byte)")
        }
    }

    private static func length(_ first: UInt8) -> Int { first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }

    private mutating func takeEscape() {
        guard pending.count > 1 else { return }
        guard pending[1] == UInt8(ascii: "[") else {
            unknown.append(String(decoding: pending, as: UTF8.self))
            pending = []
            return
        }
        guard let last = pending.last, pending.count > 2, (0x40...0x7E).contains(last) else { return }
        control(String(decoding: pending[2..<(pending.count - 1)], as: UTF8.self), Character(UnicodeScalar(last)))
        pending = []
    }

    private mutating func control(_ parameters: String, _ command: Character) {
        let number = Int(parameters)
        switch (command, parameters) {
        case ("A", _): cursor.row = max(top, cursor.row - (number ?? 1))
        case ("K", ""), ("K", "0"): rows[cursor.row].cells.truncate(to: cursor.column)
        case ("J", ""), ("J", "0"):
            rows[cursor.row].cells.truncate(to: cursor.column)
            for row in rows.indices where row > cursor.row { rows[row] = Row() }
        case ("m", _): for code in parameters.split(separator: ";") { graphics(Int(code) ?? 0) }
        case ("h", "?25"): isCursorVisible = true
        case ("l", "?25"): isCursorVisible = false
        case ("h", "?7"): wrapsAtEdge = true
        case ("l", "?7"): wrapsAtEdge = false
        case ("h", "?2026"): break
        case ("l", "?2026"): frames += 1
        default: unknown.append("\(parameters)\(command)")
        }
    }

    private mutating func graphics(_ code: Int) {
        switch code {
        case 0: style = .blank
        case 1: style.isBold = true
        case 2: style.isFaint = true
        case 30...37: style.color = code
        default: unknown.append("\(code)m")
        }
    }

    // MARK: Cells

    private mutating func put(_ character: String) {
        guard let scalar = character.unicodeScalars.first else { return }
        let width = Self.width(scalar)
        if width == 0 {
            if let last = rows[cursor.row].cells.lastIndex(where: { !$0.text.isEmpty }) {
                rows[cursor.row].cells[last].text += character
            }
            return
        }
        if cursor.column + width > columns {
            if wrapsAtEdge {
                cursor.column = 0
                lineFeed(continues: true)
            } else {
                cursor.column = columns - width
            }
        }
        var cell = style
        cell.text = character
        set(cell)
        if width == 2 {
            cell.text = ""
            set(cell)
        }
    }

    private mutating func set(_ cell: Cell) {
        let missing = cursor.column + 1 - rows[cursor.row].cells.count
        if missing > 0 { rows[cursor.row].cells += Array(repeating: .blank, count: missing) }
        rows[cursor.row].cells[cursor.column] = cell
        cursor.column += 1
    }

    private mutating func lineFeed(continues: Bool = false) {
        cursor.row += 1
        if cursor.row == rows.count { rows.append(Row()) }
        if continues { rows[cursor.row] = Row(continues: true) }
        if cursor.row >= top + height { top = cursor.row - height + 1 }
    }

    /// Of the characters that our tests use.
    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x300...0x36F, 0x200B...0x200F: 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xFF00...0xFF60, 0x1F300...0x1F64F: 2
        default: 1
        }
    }

    // MARK: Another size

    package mutating func resize(columns: Int, height: Int) {
        self.columns = columns
        self.height = height
        var resized: [Row] = []
        var place = cursor
        var index = 0
        while index < rows.count {
            var line = rows[index].cells
            var offset = cursor.row == index ? cursor.column : nil
            while index + 1 < rows.count, rows[index + 1].continues {
                index += 1
                if cursor.row == index { offset = line.count + cursor.column }
                line += rows[index].cells
            }
            if let offset { place = (resized.count + offset / columns, offset % columns) }
            var isFirst = true
            repeat {
                resized.append(Row(cells: Array(line.prefix(columns)), continues: !isFirst))
                line.removeFirst(Swift.min(columns, line.count))
                isFirst = false
            } while !line.isEmpty
            index += 1
        }
        rows = resized
        cursor = place
        while cursor.row >= rows.count { rows.append(Row()) }
        top = max(0, cursor.row - height + 1)
    }
}

extension Array {
    fileprivate mutating func truncate(to count: Int) {
        if self.count > count { removeLast(self.count - count) }
    }
}
