import LianCloacina
import LianTestSupport

/// Libraries of which some bytes are others: each gives an answer or a reason, and soon.
enum LibraryFuzz {
    static func libraries(_ random: inout SeededGenerator) throws {
        var library = random.pick(Self.good)
        let count = library.bytes.count
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let place = Int.random(in: 0..<(count / 4), using: &random) * 4
            switch Int.random(in: 0..<4, using: &random) {
            case 0: library.set(place, UInt8.random(in: 0...255, using: &random))
            case 1: library.set(place, UInt16(truncatingIfNeeded: number(count, &random)))
            case 2: library.set(place, UInt32(truncatingIfNeeded: number(count, &random)))
            default: if place + 8 <= count { library.set(place, number(count, &random)) }
            }
        }
        let bytes =
            random.oneIn(4) ? Array(library.bytes.prefix(Int.random(in: 0...count, using: &random))) : library.bytes
        let start = ContinuousClock.now
        do throws(LibraryFault) {
            _ = try LibraryInspection(of: bytes).json
        } catch {
            guard !error.reason.isEmpty else { throw FuzzFailure(description: "no reason") }
        }
        // Ample for a debug build on a busy machine; what a length in it claims may be hours.
        guard ContinuousClock.now - start < .seconds(8) else { throw FuzzFailure(description: "\(bytes)") }
    }

    private static func number(_ count: Int, _ random: inout SeededGenerator) -> UInt64 {
        random.pick([
            0, 1, 7, 8, UInt64(count), UInt64(count - 1), UInt64(count - 8), UInt64(Int32.max), UInt64(UInt32.max),
            UInt64(Int64.max), .max, .max - 7, 1 << 63, UInt64.random(in: 0..<UInt64(count), using: &random),
            UInt64.random(in: 0 ... .max, using: &random),
        ])
    }

    private static let good: [MadeLibrary] =
        MadeLibrary.Relocations.allCases.flatMap { relocations in
            [UInt16(62), 183].map { MadeLibrary.elf(machine: $0, relocations: relocations) }
        } + [MadeLibrary.machO(machine: 0x0100_000C)]
}
