/// Reads numbers written by others: a runner, an engine, an orchestrator, a file. A number outside of its range is
/// refused, so that later calculations with it cannot overflow.
///
/// JSON's numbers are read by JSONNode, under the same rule.
package enum OutsideNumber {
    /// Larger than anything that is counted here, yet small enough for sums and multiples of it to fit.
    package static let largest = 1 << 50

    /// Digits and nothing else: no sign, no spaces.
    package static func whole(_ text: some StringProtocol, in range: ClosedRange<Int> = 0...largest) -> Int? {
        guard isDigits(text.utf8), let number = Int(text), range.contains(number) else { return nil }
        return number
    }

    /// Digits, optionally followed by a point and more digits: no sign, no exponent, no infinity, no NaN.
    package static func decimal(_ text: some StringProtocol, in range: ClosedRange<Double>) -> Double? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ isDigits($0.utf8) }), let number = Double(text), range.contains(number) else {
            return nil
        }
        return number
    }

    private static func isDigits(_ bytes: some Collection<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.allSatisfy(Identifier.isDigit)
    }
}

extension Int {
    /// The sum, or the largest number if the sum does not fit. For file sizes, since a file system may report any size.
    package func upToLargest(adding other: Int) -> Int {
        let (sum, isBeyond) = addingReportingOverflow(other)
        return isBeyond ? .max : sum
    }
}
