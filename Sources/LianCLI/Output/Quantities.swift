import LianModel
import LianSystem

/// Numbers in the short forms that a terminal line has room for; Figures has the others.

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
    let tenths = Int((Figures.bounded(number) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

/// The text at the right edge of a column of this width.
func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
