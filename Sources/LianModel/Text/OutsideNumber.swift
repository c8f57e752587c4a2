/// Numbers in what others write: a runner, an engine, an orchestrator, a file. Each is in its range or it is none, so
/// that nothing that is computed from it later has a result that there is no place for.
///
/// JSON's numbers are read by JSONNode, under the same rule.
package enum OutsideNumber {
    /// More than anything that is counted here. Sums and multiples of it are still numbers.
    package static let largest = 1 << 50

    /// Digits and nothing else: no sign, no spaces.
    package static func whole(_ text: some StringProtocol, in range: ClosedRange<Int> = 0...largest) -> Int? {
        guard isDigits(text.utf8), let number = Int(text), range.contains(number) else { return nil }
        return number
    }

    /// Digits, and behind a point further ones: no sign, no exponent, nothing that is infinite or not a number.
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
    /// The sum, or the largest number there is. For the sizes of files, which are whatever a file system makes up.
    package func upToLargest(adding other: Int) -> Int {
        let (sum, isBeyond) = addingReportingOverflow(other)
        return isBeyond ? .max : sum
    }
}
