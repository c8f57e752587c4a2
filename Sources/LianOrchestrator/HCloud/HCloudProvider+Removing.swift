import LianHTTP
import LianModel
import LianSystem

extension HCloudProvider {
    func remove(_ machine: HCloudMachine, until end: ContinuousClock.Instant) throws(HCloudFailure) {
        let answer = try patiently(until: end) { () throws(HCloudFailure) -> JSONValue in
            do throws(HCloudFailure) {
                return try api.ask(.delete, "/servers/\(machine.id)")
            } catch {
                if error.isUnknown { return .null }
                throw error
            }
        }
        if let action = answer["action"]?["id"]?.intValue { try wait(for: action, until: end) }
    }

    /// Of this project.
    func find(_ marks: Marks) throws(HCloudFailure) -> [HCloudMachine] {
        let list = try api.list("servers", HCloudMachine.selector(marks.orchestrator, marks.runner))
        return list.compactMap(HCloudMachine.init).filter { $0.marks == marks }
    }
}
