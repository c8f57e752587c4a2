/// A regular expression as a tree: the part of Go's syntax that an ignore pattern can turn into.
indirect enum RegexNode: Equatable, Sendable {
    case set(ScalarSet)
    case assertion(RegexAssertion)
    case sequence([RegexNode])
    case choice([RegexNode])
    /// `most` is nil where there is no upper bound.
    case repetition(RegexNode, least: Int, most: Int?)

    static func literal(_ scalar: UInt32) -> RegexNode { .set(ScalarSet(scalar...scalar)) }

    /// Twice in a row is the same as once: `[^/]*`, and `(.*/)?`, which takes any number of folders.
    var isIdempotent: Bool {
        if case .repetition(_, least: 0, most: nil) = self { return true }
        return self == RegexNode.anyFolders
    }

    static let anyFolders = RegexNode.repetition(
        .sequence([
            .repetition(.set(.anyButNewline), least: 0, most: nil), .literal(UInt32(GoText.slash)),
        ]), least: 0, most: 1)
}

enum RegexAssertion: Equatable, Sendable {
    case textStart, textEnd, wordBoundary, noWordBoundary
}

/// A set of Unicode scalars, as ordered ranges that do not touch.
struct ScalarSet: Equatable, Sendable {
    let ranges: [ClosedRange<UInt32>]
    /// The members below 64 and those from there to 127: most questions are about ASCII.
    private let lowerASCII: UInt64
    private let upperASCII: UInt64

    static let last: UInt32 = 0x10FFFF
    static let anyButNewline = ScalarSet(0x0A...0x0A).inverted

    init(_ ranges: ClosedRange<UInt32>...) {
        self.init(ranges)
    }

    init(_ unordered: [ClosedRange<UInt32>]) {
        var ranges: [ClosedRange<UInt32>] = []
        for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let previous = ranges.last, range.lowerBound <= previous.upperBound + 1 {
                ranges[ranges.count - 1] = previous.lowerBound...max(previous.upperBound, range.upperBound)
            } else {
                ranges.append(range)
            }
        }
        self.ranges = ranges
        var masks: [UInt64] = [0, 0]
        for range in ranges where range.lowerBound < 128 {
            for scalar in range.lowerBound...min(range.upperBound, 127) {
                masks[Int(scalar / 64)] |= 1 << UInt64(scalar % 64)
            }
        }
        (lowerASCII, upperASCII) = (masks[0], masks[1])
    }

    var inverted: ScalarSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if next < range.lowerBound { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= Self.last { gaps.append(next...Self.last) }
        return ScalarSet(gaps)
    }

    func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return lowerASCII >> scalar & 1 == 1 }
        if scalar < 128 { return upperASCII >> (scalar - 64) & 1 == 1 }
        for range in ranges where scalar <= range.upperBound { return scalar >= range.lowerBound }
        return false
    }
}
