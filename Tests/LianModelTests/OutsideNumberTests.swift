import LianModel
import Testing

@Suite struct OutsideNumberTests {
    @Test(arguments: ["0", "7", "007", "1125899906842624"])
    func digitsAreRead(text: String) {
        #expect(OutsideNumber.whole(text) == Int(text))
        #expect(OutsideNumber.decimal(text, in: 0...1e18) == Double(text))
    }

    @Test(arguments: [
        "", " 1", "1 ", "+1", "-1", "-0", "1_000", "0x10", "1e3", "nan", "-nan", "inf", "infinity", "٣", "1.", ".5",
        "1.2.3",
        "9223372036854775808", "-9223372036854775808", "1e400", String(repeating: "9", count: 400), "1\u{0}",
    ])
    func whatElseIsTakenForANumberIsNone(text: String) {
        #expect(OutsideNumber.whole(text) == nil)
        #expect(OutsideNumber.decimal(text, in: 0...1e18) == nil)
    }

    @Test func rangesHold() {
        #expect(OutsideNumber.whole("9223372036854775807") == nil)
        #expect(OutsideNumber.whole("1125899906842625") == nil)
        #expect(OutsideNumber.whole("0", in: 1...3) == nil && OutsideNumber.whole("3", in: 1...3) == 3)
        #expect(OutsideNumber.decimal("12.5", in: 0...20) == 12.5 && OutsideNumber.decimal("20.1", in: 0...20) == nil)
    }

    @Test func sumsEndAtTheLargestNumber() {
        #expect(1.upToLargest(adding: 2) == 3)
        #expect(Int.max.upToLargest(adding: 1) == .max && Int.max.upToLargest(adding: .max) == .max)
    }
}
