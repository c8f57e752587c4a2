import LianSystem

/// How long calls of one kind take, and how many of them fail.
package struct CallMeter: Sendable {
    let seconds: Histogram
    let errors: Tally

    init(_ prefix: String, _ callee: String, _ labels: [Label]) {
        seconds = Histogram(
            "\(prefix)_call_seconds", "How long calls of \(callee) took.", labels,
            bounds: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60])
        errors = Tally(.counter, "\(prefix)_errors_total", "Calls of \(callee) that failed.", labels)
    }

    /// `values` are those of the labels. A failure counts, unless it is one that was asked for.
    package func measure<Value, Failure>(
        _ values: [String], unlessAskedFor isAskedFor: () -> Bool = { false }, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let start = ContinuousClock.now
        defer { seconds.observe((ContinuousClock.now - start).inSeconds, values) }
        do {
            return try body()
        } catch {
            if !isAskedFor() { errors.add(values) }
            throw error
        }
    }
}
