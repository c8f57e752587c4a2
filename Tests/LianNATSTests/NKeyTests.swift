import LianNATS
import LianTestSupport
import Testing

private let knownSeed = NATSServer.userSeed
private let knownPublicKey = NATSServer.userPublicKey

@Suite struct NKeyTests {
    @Test func publicKeyIsDerivedFromTheSeed() throws {
        #expect(try NKey(seed: knownSeed).publicKey == knownPublicKey)
    }

    @Test func signaturesAreEd25519() throws {
        let key = try NKey(seed: knownSeed)
        let signature = try #require(key.signature(of: [1, 2, 3]))
        #expect(signature.count == 64)
        #expect(key.signature(of: [1, 2, 3]) == signature)
        #expect(key.signature(of: [1, 2, 4]) != signature)
    }

    @Test func everyBrokenCharacterIsNoticed() {
        var letters = Array(knownSeed)
        for index in letters.indices {
            let right = letters[index]
            letters[index] = right == "A" ? "B" : "A"
            // The last character carries two bits that are none of the key's.
            if index < letters.count - 1 {
                #expect(throws: NKey.Invalid.brokenChecksum) { try NKey(seed: String(letters)) }
            }
            letters[index] = right
        }
    }

    @Test(arguments: [
        ("", NKey.Invalid.wrongLength), ("SU", .wrongLength), (knownSeed + "A", .wrongLength),
        (knownSeed + "\n", .notBase32), (knownSeed.lowercased(), .notBase32), ("SU1!", .notBase32),
        (knownPublicKey, .wrongLength),
        // An account's seed, and a user's private key that is no seed.
        ("SAAECQZCGCO3LQDNBEFC5ERMZQ7AA4EMTE5ZXFSALXQSPN75RWRN2IOLT4", .notAUsers),
        ("PUAECQZCGCO3LQDNBEFC5ERMZQ7AA4EMTE5ZXFSALXQSPN75RWRN2IJJWI", .notASeed),
    ])
    func otherTextsAreRefused(text: String, reason: NKey.Invalid) {
        #expect(throws: reason) { try NKey(seed: text) }
    }
}
