/// Numbers as a person reads them.
package enum Figures {
    /// `340 ms`, `8.1 s`, `1 min 12 s`, `1 h 04 min`.
    package static func duration(_ milliseconds: Int) -> String {
        let milliseconds = min(max(0, milliseconds), most)
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        let tenths = (milliseconds + 50) / 100
        if tenths < 600 { return "\(tenths / 10).\(tenths % 10) s" }
        let seconds = (milliseconds + 500) / 1000
        if seconds < 3600 { return "\(seconds / 60) min \(twoDigits(seconds % 60)) s" }
        return "\(seconds / 3600) h \(twoDigits(seconds / 60 % 60)) min"
    }

    /// `999 bytes`, `1.0 kB`, `34.5 MB`.
    package static func bytes(_ bytes: Int) -> String {
        guard bytes >= 1000 else { return count(bytes, "byte") }
        var (unit, tenths) = (0, bytes / 100)
        while tenths >= 10_000, unit < units.count - 1 { (unit, tenths) = (unit + 1, tenths / 1000) }
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    private static let units = ["kB", "MB", "GB", "TB"]

    /// Memory in the units of runner sizes, 2^20 and 2^30 bytes: `512 MB`, `2.8 GB`.
    package static func memory(megabytes: Double) -> String {
        megabytes < 1024 ? "\(Int(bounded(megabytes).rounded())) MB" : "\(decimal(megabytes / 1024)) GB"
    }

    /// With one decimal, unless that would be a zero: `4`, `0.5`.
    package static func decimal(_ number: Double) -> String {
        let tenths = Int((bounded(number) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    package static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    package static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Limits a number from a runner, which may report anything.
    package static func bounded(_ number: Double) -> Double {
        number.isFinite ? min(max(number, 0), Double(most)) : 0
    }

    private static let most = 1_000_000_000_000
}
