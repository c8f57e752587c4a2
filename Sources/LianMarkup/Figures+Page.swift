import LianModel

/// Numbers that only a page shows.
extension Figures {
    /// A time on an axis, whose ticks are at whole units: `0`, `250 ms`, `2.5 s`, `2 min`.
    package static func tick(_ milliseconds: Int) -> String {
        switch milliseconds {
        case 0: "0"
        case ..<1000: "\(milliseconds) ms"
        case _ where milliseconds % 60_000 == 0: "\(milliseconds / 60_000) min"
        default: "\(decimal(Double(milliseconds) / 1000)) s"
        }
    }

    /// Digits in groups of three, with a thin space between the groups: `12 345`.
    package static func grouped(_ number: Int) -> String {
        guard number >= 10_000 else { return String(number) }
        var groups: [String] = []
        var rest = Array(String(number))
        while rest.count > 3 {
            groups.insert(String(rest.suffix(3)), at: 0)
            rest.removeLast(3)
        }
        return ([String(rest)] + groups).joined(separator: "\u{202F}")
    }

    /// `82 %`; what is less than one is not nothing.
    package static func share(_ part: Double, of whole: Double) -> String {
        guard whole > 0, part > 0 else { return "0 %" }
        let percent = bounded(part * 100 / whole)
        return percent < 1 ? "< 1 %" : "\(Int(percent.rounded())) %"
    }

    package static func share(_ part: Int, of whole: Int) -> String { share(Double(part), of: Double(whole)) }

    /// A position along an axis, for a style: percent with two decimals, kept within the axis.
    package static func percent(_ part: Double, of whole: Double) -> String {
        guard whole > 0 else { return "0" }
        return hundredths(min(max(part / whole, 0), 1) * 100)
    }

    package static func hundredths(_ number: Double) -> String {
        let (whole, rest) = Int((bounded(number) * 100).rounded()).quotientAndRemainder(dividingBy: 100)
        return rest == 0 ? "\(whole)" : "\(whole).\(twoDigits(rest))"
    }
}

/// `1 file`, `12 345 files`.
package func counted(_ number: Int, _ noun: String) -> Markup {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}
