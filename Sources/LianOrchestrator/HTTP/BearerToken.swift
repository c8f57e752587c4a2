/// The one token that opens the API.
package struct BearerToken: Sendable {
    private let expected: [UInt8]

    package init(_ token: String) {
        expected = Array(token.utf8)
    }

    /// Takes the same time however much of the token a wrong one has right.
    package func admits(authorization header: String?) -> Bool {
        guard let header, !expected.isEmpty else { return false }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
        let given = Array(parts[1].utf8)
        var difference = given.count ^ expected.count
        for (index, byte) in given.enumerated() {
            difference |= Int(byte ^ expected[index % expected.count])
        }
        return difference == 0
    }

    /// Why a text cannot be a token; nil where it can.
    package static func problem(with token: String) -> String? {
        guard !token.isEmpty else { return "it is empty" }
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "it may contain visible ASCII characters only"
        }
        return nil
    }
}
