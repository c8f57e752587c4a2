extension Duration {
    package var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }

    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// For poll(2): rounded up, so that a wait never ends a moment early and spins.
    package var pollMilliseconds: Int32 {
        Int32(clamping: milliseconds + 1)
    }
}
