import LianModel
import Testing

@Suite struct FiguresTests {
    @Test(arguments: [
        (-3, "0 ms"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (8149, "8.1 s"), (59_949, "59.9 s"),
        (59_950, "1 min 00 s"), (72_000, "1 min 12 s"), (3_599_600, "1 h 00 min"), (3_840_000, "1 h 04 min"),
        (360_000_000, "100 h 00 min"), (.max, "277777 h 46 min"), (.min, "0 ms"),
    ])
    func durations(milliseconds: Int, text: String) {
        #expect(Figures.duration(milliseconds) == text)
    }

    @Test(arguments: [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (34_567_890, "34.5 MB"),
        (1_000_000_000_000_000, "1000.0 TB"),
    ])
    func bytes(bytes: Int, text: String) {
        #expect(Figures.bytes(bytes) == text)
    }

    @Test(arguments: [
        (0.0, "0 MB"), (511.6, "512 MB"), (2867.2, "2.8 GB"), (8192, "8 GB"), (.nan, "0 GB"), (.infinity, "0 GB"),
    ])
    func memory(megabytes: Double, text: String) {
        #expect(Figures.memory(megabytes: megabytes) == text)
    }
}
