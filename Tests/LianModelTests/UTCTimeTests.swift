import Foundation
import LianModel
import Testing

@Suite struct UTCTimeTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-01-01T00:00:00.000Z", 1_767_225_600_000),
        ("2024-02-29t23:59:59.9996z", 1_709_251_199_999), ("2026-01-01T02:30:00.5+02:30", 1_767_225_600_500),
        ("1969-12-31T19:00:00-05:00", 0), ("1900-03-01 00:00:00Z", -2_203_891_200_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ])
    func reads(text: String, milliseconds: Int) {
        #expect(UTCTime(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+2:00", "2026-01-01T00:00:00Zz", "2026-01-01T00:00:00+99:00",
        "２026-01-01T00:00:00Z",
    ])
    func refuses(text: String) {
        #expect(UTCTime(rfc3339: text) == nil)
    }

    @Test func writesWhatTheSystemWrites() {
        for day in stride(from: -140_000, to: 200_000, by: 97) {
            let seconds = day * 86_400 + (day * 7919) % 86_400
            let text = UTCTime(milliseconds: seconds * 1000 + 7).rfc3339
            #expect(text.prefix(19) + "Z" == Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601))
            #expect(text.hasSuffix(".007Z"))
            #expect(UTCTime(rfc3339: text)?.milliseconds == seconds * 1000 + 7)
        }
    }
}
