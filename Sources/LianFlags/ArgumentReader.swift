import LianModel

/// Reads typed values out of parsed arguments.
package struct ArgumentReader {
    package let arguments: ParsedArguments

    package init(_ arguments: ParsedArguments) {
        self.arguments = arguments
    }

    package func path(_ name: String) throws(LianError) -> String? {
        guard let value = arguments.value(name) else { return nil }
        guard !value.isEmpty else { throw refusal(name, "must name a file") }
        return value
    }

    package func integer(_ name: String, in range: ClosedRange<Int>) throws(LianError) -> Int? {
        guard let text = arguments.value(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw refusal(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
        }
        return value
    }

    package func number(_ name: String, in range: ClosedRange<Double>) throws(LianError) -> Double? {
        guard let text = arguments.value(name) else { return nil }
        guard let value = Double(text), range.contains(value) else {
            let bounds =
                "\(JSONValue.number(range.lowerBound).encoded()) to \(JSONValue.number(range.upperBound).encoded())"
            throw refusal(name, "must be a number from \(bounds), not '\(text)'")
        }
        return value
    }

    package func choice<Choice: RawRepresentable & CaseIterable>(_ name: String) throws(LianError) -> Choice?
    where Choice.RawValue == String {
        guard let text = arguments.value(name) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        let nearest = nearestName(to: text, among: words).map { "; did you mean '\($0)'?" } ?? ""
        throw refusal(name, "must be one of \(words.joined(separator: ", ")), not '\(text)'\(nearest)")
    }

    package func refusal(_ name: String, _ rule: String) -> LianError {
        LianError(
            .invalidArgument, .arguments, "\(arguments.displayName(name)) \(rule)",
            hint: "\(arguments.wholeHelp) shows what each flag takes.")
    }
}
