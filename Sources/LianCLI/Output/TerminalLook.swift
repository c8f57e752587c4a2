/// What a terminal can show: colours, and more than ASCII.
struct TerminalLook: Sendable {
    let hasColors: Bool
    let hasUnicode: Bool

    init(hasColors: Bool, hasUnicode: Bool) {
        self.hasColors = hasColors
        self.hasUnicode = hasUnicode
    }

    /// nil for a terminal that cannot move its cursor.
    init?(environment: [String: String]) {
        guard let kind = environment["TERM"], !kind.isEmpty, kind != "dumb" else { return nil }
        hasColors = (environment["NO_COLOR"] ?? "").isEmpty
        // As setlocale(3) chooses.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        let charset = locale?.lowercased() ?? ""
        hasUnicode = charset.contains("utf-8") || charset.contains("utf8")
    }

    var spinner: [String] {
        hasUnicode ? ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] : ["|", "/", "-", "\\"]
    }

    var done: String { hasUnicode ? "✓" : "+" }
    var failed: String { hasUnicode ? "✗" : "x" }
    var warning: String { "!" }
    var skipped: String { "-" }
    /// Stands beside the lines that a step prints.
    var margin: String { hasUnicode ? "│" : "|" }
    /// Stands in the place of what was cut off.
    var more: Unicode.Scalar { hasUnicode ? "…" : "~" }
    private var full: String { hasUnicode ? "█" : "#" }
    private var empty: String { hasUnicode ? "░" : "." }

    func bar(_ fraction: Double, cells: Int) -> String {
        let filled = Int((min(max(fraction, 0), 1) * Double(cells)).rounded())
        return String(repeating: full, count: filled) + String(repeating: empty, count: cells - filled)
    }

    func code(_ style: TerminalLine.Style) -> String {
        switch style {
        case .plain: ""
        case .bold: "\u{1B}[1m"
        case .faint: "\u{1B}[2m"
        case .good: "\u{1B}[32m"
        case .bad: "\u{1B}[31m"
        case .warning: "\u{1B}[33m"
        case .accent: "\u{1B}[36m"
        }
    }
}
