import Foundation

/// How many inputs are generated, and from where: few in a normal run, as many as one likes by LIAN_FUZZ_COUNT and
/// LIAN_FUZZ_SEED.
package struct FuzzRun: Sendable {
    package let count: Int
    package let seed: UInt64

    package static let asked: FuzzRun = {
        let environment = ProcessInfo.processInfo.environment
        return FuzzRun(
            count: environment["LIAN_FUZZ_COUNT"].flatMap { Int($0) } ?? 2000,
            seed: environment["LIAN_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1)
    }()

    /// Hands out one generator for each input, so that a failure can be found again by its index.
    package func each(_ body: (SeededGenerator) throws -> Void) rethrows {
        for index in 0..<count {
            try body(SeededGenerator(seed: seed &+ UInt64(index) &* 0x1_0001))
        }
    }
}
