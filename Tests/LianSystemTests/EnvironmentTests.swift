import Glibc
import LianSystem
import Testing

@Suite struct EnvironmentTests {
    @Test func whatIsNoTextIsLeftOutAndNotMended() async {
        await #expect(processExitsWith: .success) {
            setenv("LIAN_TEXT", "gr\u{FC}n = \u{FFFD}", 1)
            setenv("LIAN_BYTES", [0x67, 0x72, -4, 0x6E, 0], 1)
            let variables = processEnvironment()
            guard variables["LIAN_TEXT"] == "gr\u{FC}n = \u{FFFD}" else { exit(1) }
            exit(variables["LIAN_BYTES"] == nil ? 0 : 2)
        }
    }
}
