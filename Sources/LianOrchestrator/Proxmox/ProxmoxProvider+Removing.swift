import LianHTTP
import LianModel
import LianSystem

extension ProxmoxProvider {
    func remove(_ machine: ProxmoxMachine, until end: ContinuousClock.Instant) throws(ProxmoxFailure) {
        do throws(ProxmoxFailure) {
            if try status(of: machine) != "stopped" { try change(machine, "stop", until: end) }
            try patiently(until: end) { () throws(ProxmoxFailure) in
                let task = try api.ask(.delete, machine.path, ["purge": 1, "destroy-unreferenced-disks": 1])
                try api.wait(for: task, until: end)
            }
        } catch {
            if !error.isUnknown { throw error }
        }
    }

    func mayMakeMore(of marks: Marks) throws(ProxmoxFailure) -> Bool {
        if books.misses(marks.runner, since: limits.lateCreate) { return true }
        let own = clones.value.filter { $0.value == marks.runner }.map(\.key)
        // One that this process does not know is of an earlier life, and so is what was being cloned when this one began.
        for task in own.isEmpty && !places.holds(marks.runner) ? Array(inherited.value) : own {
            if try api.isRunning(task) { return true }
            inherited.update { $0.remove(task) }
        }
        return false
    }
}
