import LianModel
import LianSystem

/// Numbers as people read them.

func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}

/// 999 bytes, 1.0 kB, 34.5 MB.
func size(_ bytes: Int) -> String {
    guard bytes >= 1000 else { return count(bytes, "byte") }
    var (unit, tenths) = (0, bytes / 100)
    while tenths >= 10_000, unit < units.count - 1 { (unit, tenths) = (unit + 1, tenths / 1000) }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
}

private let units = ["kB", "MB", "GB", "TB"]

/// 0.4s, 59.9s, 1m05s, 2h03m.
func time(_ duration: Duration) -> String {
    let milliseconds = max(0, duration.milliseconds)
    let seconds = milliseconds / 1000
    if seconds < 60 { return "\(seconds).\(milliseconds % 1000 / 100)s" }
    let (large, small, units) =
        seconds < 3600 ? (seconds / 60, seconds % 60, ("m", "s")) : (seconds / 3600, seconds % 3600 / 60, ("h", "m"))
    return "\(large)\(units.0)\(small < 10 ? "0" : "")\(small)\(units.1)"
}

/// 3.7: one digit behind the point, for numbers as they occur here.
func tenths(_ number: Double) -> String {
    let tenths = Int((min(max(number, 0), 1e12) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

/// Where a size came from.
func reason(_ source: Sizing.Source) -> String {
    switch source {
    case .explicit: "as asked for"
    case .p95: "from this workspace's history"
    case .language: "the default for its language"
    }
}

/// In a column of its own, at its right edge.
func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
