import LianModel

/// How often and when a build is tried again because its registry had a bad moment.
enum RegistryPatience {
    static let retries = 3
    /// A registry that wants to be left alone for longer than this is not waited for.
    static let longestPause: Duration = .seconds(60)

    /// Each pause is about twice as long as the one before, and as long as the registry asked for at least; nil where it
    /// is not worth another try. `random` is from 0 up to 1.
    static func pause(beforeRetry retry: Int, asked: Duration?, random: Double) -> Duration? {
        let asked = asked ?? .zero
        guard retry < retries, asked <= longestPause else { return nil }
        return max(asked, .seconds(1 << retry)) * (1 + random / 2)
    }

    static func ended(_ error: LianError, after retries: Int) -> LianError {
        guard retries > 0 else { return error.saying("\(error.message); the registry asks for more than a minute") }
        return error.saying("\(error.message), also when tried \(Figures.count(retries, "more time"))")
    }
}
