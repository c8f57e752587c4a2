import Glibc
import LianSystem

/// The machine's time since boot, which nobody can set, and the boot that it belongs to. Leases are counted on it, so
/// they go on across a restart of the orchestrator and end with the machine.
package struct BootClock: Sendable {
    package let bootID: String
    /// Milliseconds since boot.
    package let now: @Sendable () -> Int
    /// Milliseconds since 1970, which somebody may set: for what is shown, and for how long the gone are remembered.
    package let wallClock: @Sendable () -> Int

    package init(
        bootID: String, now: @escaping @Sendable () -> Int,
        wallClock: @escaping @Sendable () -> Int = Timing.system.wallClock
    ) {
        self.bootID = bootID
        self.now = now
        self.wallClock = wallClock
    }

    package static func ofThisMachine() throws(FileReadFailure) -> BootClock {
        let text = try readText("/proc/sys/kernel/random/boot_id")
        return BootClock(bootID: String(text.prefix { !$0.isWhitespace })) {
            var time = timespec()
            clock_gettime(CLOCK_BOOTTIME, &time)
            return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
        }
    }
}
