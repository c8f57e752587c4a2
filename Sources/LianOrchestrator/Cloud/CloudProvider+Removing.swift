import LianSystem

extension CloudProvider {
    func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        // Asked first: what was made meanwhile is found.
        let mayMakeMore = try told { () throws(Failure) in try self.mayMakeMore(of: marks(runnerID)) }
        try remove(marks(runnerID))
        // Whoever called tries again.
        guard !mayMakeMore else {
            throw ProviderError("the \(called) may yet make what it was asked for and gave no answer to")
        }
        books.ready.update { $0[runnerID] = nil }
        books.unanswered.update { $0[runnerID] = nil }
        books.greetings.forget(runnerID)
        forget(runnerID)
        return .complete
    }

    /// Ends what carries the marks, and returns once the cloud lists none of it.
    func remove(_ marks: Marks) throws(ProviderError) {
        let end = ContinuousClock.now + limits.removal
        var problem = "it is still listed"
        while true {
            let left = try told { () throws(Failure) in
                try patiently(until: end) { () throws(Failure) in try find(marks) }
            }
            if left.isEmpty { return }
            for machine in left {
                do throws(Failure) {
                    try remove(machine, until: end)
                } catch {
                    problem = "\(machine.name): \(error)"
                }
            }
            guard waitOut(.seconds(1), while: { .now < end }) else {
                throw ProviderError("the \(called) does not remove \(problem)")
            }
        }
    }
}
