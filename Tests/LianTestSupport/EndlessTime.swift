import LianSystem

extension Timing {
    /// Whose waits end only by being cancelled: whatever runs beside them has all the time that it takes.
    package static let endless = Timing(
        now: Timing.system.now, wallClock: Timing.system.wallClock,
        sleep: { _ throws(CancellationError) in try await Timing.system.sleep(.seconds(1 << 30)) },
        random: Timing.system.random)
}
