import Glibc
import LianSystem

/// The time since boot, which nobody can set, and the boot that it belongs to. Leases are measured with it, so they go
/// on across a restart of the orchestrator and end with the boot.
package struct BootClock: Sendable {
    package let bootID: String
    /// Milliseconds since boot.
    package let now: @Sendable () -> Int
    /// Milliseconds since 1970, which somebody may set. It is used for display and for what has to outlive a boot.
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
        BootClock(bootID: try currentBootID()) {
            var time = timespec()
            clock_gettime(CLOCK_BOOTTIME, &time)
            return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
        }
    }

    static func currentBootID() throws(FileReadFailure) -> String {
        String(try readText("/proc/sys/kernel/random/boot_id").prefix { !$0.isWhitespace })
    }

    /// The present moment on both clocks.
    package var moment: Moment { Moment(bootID: bootID, sinceBoot: now(), wallClock: wallClock()) }

    /// How long ago the moment was. Within the same boot this is measured with the clock that nobody can set.
    func milliseconds(since moment: Moment) -> Int {
        moment.bootID == bootID ? now() - moment.sinceBoot : wallClock() - moment.wallClock
    }
}

/// A moment on both clocks. Within its boot the time since boot tells how long ago it was; later only the wall clock
/// can.
package struct Moment: Equatable, Sendable {
    package var bootID: String
    package var sinceBoot: Int
    package var wallClock: Int
}
