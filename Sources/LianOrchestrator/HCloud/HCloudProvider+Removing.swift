import LianHTTP
import LianModel
import LianSystem

extension HCloudProvider {
    /// Ends what carries the marks, and returns once the cloud lists none of it.
    func remove(_ marks: Marks) throws(ProviderError) {
        let end = ContinuousClock.now + limits.removal
        var problem = "it is still listed"
        while true {
            let left = try told { () throws(HCloudFailure) in
                try api.patiently(until: end) { () throws(HCloudFailure) in try find(marks) }
            }
            if left.isEmpty {
                // Whoever called tries again.
                if let asked = unanswered.value[marks.runner], ContinuousClock.now - asked < limits.lateCreate {
                    throw ProviderError("the cloud may yet make what it was asked for and gave no answer to")
                }
                return
            }
            for machine in left {
                do throws(HCloudFailure) {
                    try remove(machine, until: end)
                } catch {
                    problem = "\(machine.name): \(error)"
                }
            }
            guard waitOut(.seconds(1), while: { .now < end }) else {
                throw ProviderError("the cloud does not remove \(problem)")
            }
        }
    }

    private func remove(_ machine: HCloudMachine, until end: ContinuousClock.Instant) throws(HCloudFailure) {
        let answer = try api.patiently(until: end) { () throws(HCloudFailure) -> JSONValue in
            do throws(HCloudFailure) {
                return try api.ask(.delete, "/servers/\(machine.id)")
            } catch {
                if error.isUnknown { return .null }
                throw error
            }
        }
        if let action = answer["action"]?["id"]?.intValue { try wait(for: action, until: end) }
    }

    /// What carries both marks, of this project.
    func find(_ marks: Marks) throws(HCloudFailure) -> [HCloudMachine] {
        let list = try api.list("servers", HCloudMachine.selector(marks.orchestrator, marks.runner))
        return list.compactMap(HCloudMachine.init).filter { $0.marks == marks }
    }
}
