/// All runs of eight bytes that the lines of some secrets have: of which none may be shown.
package struct SecretRuns: Sendable {
    private var runs: Set<UInt64> = []

    package init(_ secrets: [[UInt8]]) {
        for line in secrets.flatMap({ $0.split { $0 == 10 || $0 == 13 } }) {
            _ = Self.first(in: line) { run in
                runs.insert(run)
                return false
            }
        }
    }

    /// The first that stands in the bytes.
    package func found(in bytes: some Sequence<UInt8>) -> String? {
        Self.first(in: bytes, where: runs.contains).map { run in
            withUnsafeBytes(of: run.bigEndian) { String(decoding: $0, as: UTF8.self) }
        }
    }

    private static func first(in bytes: some Sequence<UInt8>, where isWanted: (UInt64) -> Bool) -> UInt64? {
        var run: UInt64 = 0
        var count = 0
        for byte in bytes {
            run = run << 8 | UInt64(byte)
            count += 1
            if count >= 8, isWanted(run) { return run }
        }
        return nil
    }
}
