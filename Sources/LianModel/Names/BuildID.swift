/// A build's id: `b-` and a ULID, so that ids sort by the time they were made.
package func makeBuildID(
    millisecondsSince1970: UInt64, using random: inout some RandomNumberGenerator
) -> String {
    let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
    var text = Array("b-".utf8)
    for shift in stride(from: 45, through: 0, by: -5) {
        text.append(alphabet[Int(millisecondsSince1970 >> UInt64(shift) & 31)])
    }
    for _ in 0..<16 { text.append(alphabet[Int.random(in: 0..<32, using: &random)]) }
    return String(decoding: text, as: UTF8.self)
}
