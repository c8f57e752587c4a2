import Foundation
import LianSystem
import LianTestSupport
import Testing

@Suite struct ReadingProcessTests {
    /// The child reads a file to its end and then waits at a FIFO, so that it is there to be asked.
    @Test func countsWhatAChildHasReadSinceItWasAsked() async throws {
        try await withTemporaryFolder { root in
            let bytes = 3 << 20
            try Data(count: bytes).write(to: root.appending(path: "file"))
            for gate in ["before", "after"] { #expect(mkfifo("\(root.path)/\(gate)", 0o600) == 0) }
            let reading = ReadingProcess()
            async let result = run(
                Command("/bin/cat", ["before", "file", "after"].map { "\(root.path)/\($0)" }, environment: [:]),
                deadline: .seconds(60), onSpawn: reading.begin)
            // Opened for writing as soon as the child has opened it for reading.
            let before = try await open(root.appending(path: "before"))
            let count = reading.countFromHere()
            try before.close()
            #expect(await eventually { count() >= bytes })
            #expect(count() < bytes + 65536)
            try await open(root.appending(path: "after")).close()
            let output = try await result.output
            #expect(output.count == bytes)
            reading.end()
            #expect(count() >= bytes && count() < bytes + 65536)
        }
    }

    @Test func aChildThatNeverWasHasReadNothing() {
        #expect(ReadingProcess().countFromHere()() == 0)
    }

    private func open(_ gate: URL) async throws -> FileHandle {
        try await onOwnThread { Result { try FileHandle(forWritingTo: gate) } }.get()
    }
}
